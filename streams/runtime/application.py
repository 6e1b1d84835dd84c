"""The Faust application whose unit of work is a co-partition's batch."""

from __future__ import annotations

from typing import Any, ClassVar, cast

import faust
import mode
from faust.app.base import BootStrategy
from faust.tables.manager import TableManager
from faust.types import ChannelT, Message
from faust.types.transports import TransportT

from streams.runtime.assignor import CopartitionAssignor
from streams.runtime.consumer import CopartitionConsumer, CopartitionTransport
from streams.runtime.runtime import Runtime
from streams.runtime.worker import CopartitionWorker
from transport.client import faust_broker_urls


class CopartitionBoot(BootStrategy):
    """What Faust starts: neither its producer (nothing leaves but through a writer) nor its web server."""

    enable_kafka_producer = False
    enable_web = False


class BatchSchema(faust.Schema[Any, Any]):
    """Hands a batch through as it is."""

    def loads_key(self, app: Any, message: Message, **_: Any) -> Any:
        """Return no key: a batch has none."""
        return None

    def loads_value(self, app: Any, message: Message, **_: Any) -> Any:
        """Return the batch."""
        return message.value


class NoTables(TableManager):
    """Faust's table manager, of which only the recovery is used: it drives a rebalance to its end."""

    async def on_start(self) -> None:
        """Begin without the second in which Faust waits for tables to be declared."""
        await self._update_channels()
        await self.recovery.start()


class CopartitionedApp(faust.App):
    """A Faust application that reads batches and delivers through ``runtime``."""

    BootStrategy: ClassVar[type[BootStrategy]] = CopartitionBoot
    runtime: Runtime

    @property
    def copartition_consumer(self) -> CopartitionConsumer:
        """The consumer as what it is."""
        return cast("CopartitionConsumer", self.consumer)

    def batches(self) -> ChannelT[Any]:
        """Return the channel of batches of all source topics."""
        return self.topic(*self.runtime.source_names, schema=BatchSchema(), acks=False)

    async def on_first_start(self) -> None:
        """Create no directories, as Faust would in the working directory: nothing is kept on disk."""

    def _new_transport(self) -> TransportT:
        return CopartitionTransport(self.conf.broker_consumer, self)


def new_app(runtime: Runtime) -> CopartitionedApp:
    """Return the application; each setting that is not a matter of taste carries its reason."""
    app = CopartitionedApp(
        runtime.group_id,
        broker=faust_broker_urls(runtime.kafka),
        broker_client_id=runtime.kafka.client_id,
        agent_supervisor=mode.CrashingSupervisor,  # the default restarts an agent past the event it failed at
        PartitionAssignor=CopartitionAssignor,  # the default splits co-partitions
        TableManager=NoTables,
        Worker=CopartitionWorker,
        stream_buffer_maxsize=runtime.worker.buffered_batches,  # counts batches here
        broker_session_timeout=runtime.worker.session_timeout_ms / 1000,
        broker_heartbeat_interval=runtime.worker.heartbeat_interval_ms / 1000,
        broker_request_timeout=max(runtime.kafka.request_timeout_ms, runtime.worker.session_timeout_ms) / 1000,
        topic_allow_declare=False,  # `kordon topics apply` creates topics
        topic_disable_leader=True,  # else Faust subscribes to a topic that is not co-partitioned
        stream_wait_empty=False,  # what was not folded is read again
        web_enabled=False,
        store="memory://",
        worker_redirect_stdouts=False,
    )
    app.runtime = runtime
    runtime.attach(app)
    return app
