"""For services that are shown a capsule: whether to accept it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kordon.client import possession as challenges
from kordon.client.refusals import REFUSALS, NotBoundError, PossessionNotProvenError, VoidError
from transport.envelopes import EnvelopeError, Expected, is_void, verify_capsule, verify_possession
from transport.public_keys import InvalidPublicKeyError, ed25519_public_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from kordon.client.possession import Possession
    from schemas.capsules import CapsuleClaims
    from schemas.risk import RiskRow
    from transport.trust import Trust


class CapsuleVerifier:
    """Accepts or refuses the capsules of one cluster, for the service of that name. It may be shared by threads.

    ``prefix`` is that of the cluster's topics, verbatim (``KafkaSettings.prefix``). ``service`` names the service to
    its callers, as they know it. ``row_of`` returns a node's risk row, None without one
    (:meth:`kordon.client.RiskRows.row_of`); what it raises, ``verify`` raises. Without it a quarantine is noticed only
    when the capsule expires. ``clock`` gives seconds since the epoch.
    """

    def __init__(
        self,
        trust: Trust,
        prefix: str,
        *,
        service: str,
        row_of: Callable[[str], RiskRow | None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._trust = trust
        self._audience = trust.audience(prefix)
        self._service = service
        self._row_of = row_of
        self._clock = clock

    def new_challenge(self) -> bytes:
        """Return a challenge to send to whoever shows a capsule. Keep it with the connection and accept it once."""
        return challenges.new_challenge(self._service)

    def verify(
        self, envelope: str, challenge: bytes, possession: Possession, *, node_id: str | None = None
    ) -> CapsuleClaims:
        """Return the claims of a capsule that counts now and is shown by its holder.

        In this order: it is a JWS of exactly the capsule's ``typ``; a key of ``trust.json`` that may issue signed it;
        ``iss`` and ``aud`` are this cluster's; it has not expired; it is of ``node_id``, where one is given; no
        quarantine took it back; the holder proved possession of its key for this ``challenge``.

        Raises:
            CapsuleRefusedError: it is not accepted; the subclass says why.
            ValueError: ``challenge`` is none of this service's.
            StaleRowsError: from ``row_of``: nobody can say whether the capsule still counts.
        """
        if not challenges.is_challenge_of(self._service, challenge):
            raise ValueError("the challenge is none that this service drew")
        claims = self.verify_unproven(envelope, node_id=node_id)
        if claims.cnf is None:
            raise NotBoundError
        try:
            key = ed25519_public_key(possession.public_key)
        except InvalidPublicKeyError:
            raise PossessionNotProvenError from None
        if not verify_possession(claims, key, challenge, possession.proof.encode("utf-8", "replace")):
            raise PossessionNotProvenError
        return claims

    def verify_unproven(self, envelope: str, *, node_id: str | None = None) -> CapsuleClaims:
        """As :meth:`verify`, without asking who shows it.

        Only for a service to which the holder proves its key in another way (``cnf`` is the key's thumbprint), or whose
        nodes have bearer tokens and no key: there the capsule alone, which is not secret, lets anybody in.

        Raises:
            CapsuleRefusedError: it is not accepted; the subclass says why.
            StaleRowsError: from ``row_of``.
        """
        expected = Expected(self._audience, int(self._clock() * 1000), node_id=node_id)
        try:
            claims = verify_capsule(envelope, self._trust, expected)
        except EnvelopeError as error:
            raise REFUSALS[error.fault] from None
        if self._row_of is not None and is_void(claims, self._row_of(claims.nodeId)):
            raise VoidError
        return claims
