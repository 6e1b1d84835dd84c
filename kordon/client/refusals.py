"""Why a capsule that was shown is not accepted: one error a reason."""

from __future__ import annotations

from typing import Final

from transport.envelopes import FAULT_TEXTS, EnvelopeFault


class CapsuleRefusedError(Exception):
    """A capsule that must not be accepted. Its subclasses say why; each has a fixed ``text`` without any secret."""

    text: str = "it is not accepted"

    def __init__(self) -> None:
        super().__init__(self.text)


class NoCapsuleError(CapsuleRefusedError):
    """It is no capsule: another thing, a JWS of another ``typ`` (a denial, a request), or its claims are not whole."""

    text = "it is no capsule"


class UnknownSignerError(CapsuleRefusedError):
    """``trust.json`` has no key of its kid."""

    text = FAULT_TEXTS[EnvelopeFault.UNKNOWN_SIGNER]


class SignerNotAnIssuerError(CapsuleRefusedError):
    """The key that signed it has no role to issue."""

    text = FAULT_TEXTS[EnvelopeFault.NOT_AN_ISSUER]


class SignerRevokedError(CapsuleRefusedError):
    """The key that signed it is revoked."""

    text = FAULT_TEXTS[EnvelopeFault.SIGNER_REVOKED]


class SignerNotValidError(CapsuleRefusedError):
    """The key that signed it is not valid from its ``iat`` to its ``exp``."""

    text = FAULT_TEXTS[EnvelopeFault.SIGNER_NOT_VALID_THEN]


class BadSignatureError(CapsuleRefusedError):
    """The issuer's signature does not verify."""

    text = FAULT_TEXTS[EnvelopeFault.BAD_SIGNATURE]


class OtherIssuerError(CapsuleRefusedError):
    """Its ``iss`` is not the issuer of ``trust.json``."""

    text = FAULT_TEXTS[EnvelopeFault.OTHER_ISSUER]


class OtherAudienceError(CapsuleRefusedError):
    """Its ``aud`` is another cluster or prefix."""

    text = FAULT_TEXTS[EnvelopeFault.OTHER_AUDIENCE]


class IssuedInTheFutureError(CapsuleRefusedError):
    """Its ``iat`` is more than 300 s ahead of this clock."""

    text = FAULT_TEXTS[EnvelopeFault.ISSUED_IN_THE_FUTURE]


class ExpiredError(CapsuleRefusedError):
    """Its ``exp`` is reached."""

    text = FAULT_TEXTS[EnvelopeFault.EXPIRED]


class LifetimeError(CapsuleRefusedError):
    """It would live for longer than a capsule may, or its two expiries differ."""

    text = FAULT_TEXTS[EnvelopeFault.LIFETIME]


class OtherNodeError(CapsuleRefusedError):
    """It is for another node than the one expected."""

    text = FAULT_TEXTS[EnvelopeFault.OTHER_NODE]


class NotBoundError(CapsuleRefusedError):
    """It is bound to no key (its node has a bearer token), so nobody can prove to be its holder."""

    text = "it is bound to no key"


class PossessionNotProvenError(CapsuleRefusedError):
    """Whoever shows it did not prove to hold the key that it is bound to (``cnf``) for this challenge."""

    text = "possession of the key it is bound to is not proven"


class VoidError(CapsuleRefusedError):
    """A quarantine of its node took it back: its ``riskRevision`` is below the row's ``capsulesValidFrom``."""

    text = "a quarantine of its node took it back"


REFUSALS: Final[dict[EnvelopeFault, type[CapsuleRefusedError]]] = {
    EnvelopeFault.MALFORMED: NoCapsuleError,
    EnvelopeFault.MALFORMED_CLAIMS: NoCapsuleError,
    EnvelopeFault.UNKNOWN_SIGNER: UnknownSignerError,
    EnvelopeFault.NOT_AN_ISSUER: SignerNotAnIssuerError,
    EnvelopeFault.SIGNER_REVOKED: SignerRevokedError,
    EnvelopeFault.SIGNER_NOT_VALID_THEN: SignerNotValidError,
    EnvelopeFault.BAD_SIGNATURE: BadSignatureError,
    EnvelopeFault.OTHER_ISSUER: OtherIssuerError,
    EnvelopeFault.OTHER_AUDIENCE: OtherAudienceError,
    EnvelopeFault.ISSUED_IN_THE_FUTURE: IssuedInTheFutureError,
    EnvelopeFault.EXPIRED: ExpiredError,
    EnvelopeFault.LIFETIME: LifetimeError,
    EnvelopeFault.OTHER_NODE: OtherNodeError,
}
"""What a verifier that did not ask for the capsule can meet; the other faults are of answers to one's own request."""
