"""How a Faust worker delivers exactly once. The only place that knows Faust's and aiokafka's insides.

Stock Faust handles one record at a time (about 95 µs each), commits offsets apart from what was written, and leaves
holes in its recovery (docs/faust.md). Here Faust stays what a Faust user expects (application, agent, group
membership, consumer thread, flow control, signals), while delivery is Kordon's own. The story of a record:

1. :mod:`~streams.runtime.consumer_thread` runs in Faust's. One poll takes what aiokafka has fetched of every
   source topic and makes one :class:`~streams.runtime.batches.Batch` of each co-partition: partition p of all source
   topics. A batch says from which offset to which it reaches, and in which *epoch* it was read: the life of a
   consumer between two explicit seeks.
2. Faust carries the batch to the agent as one event.
3. :class:`~streams.runtime.copartitions.Copartitions` hands it to the agent's function together with its
   :class:`~streams.runtime.copartition.Copartition`. A batch of an earlier epoch is dropped: its records are read
   again. A batch of this epoch must begin exactly where the last one ended; if it does not, a batch was lost or came
   twice, and the worker crashes. So a hole or a repetition anywhere in the pipeline is seen, and holes in the log
   (markers, compaction) are never mistaken for one.
4. A batch is folded whole, without awaiting. A fold that raises breaks its co-partition: it never commits again, and
   the worker crashes.
5. :mod:`~streams.runtime.copartition` commits every few ten milliseconds. Rows (as bytes), outputs, offsets and the
   order of the batches are one snapshot, taken without awaiting, and written in one Kafka transaction by
   ``transport.writer``, the progress record last. The progress record is the checkpoint: nothing else says where a
   successor resumes.
6. At a rebalance (:mod:`~streams.runtime.copartitions`), what is pending is committed and folding stops; the
   assignment must consist of whole co-partitions (:mod:`~streams.runtime.assignor` makes such), or the worker crashes.
7. :mod:`~streams.runtime.takeover` takes a co-partition: fence the former owner, restore the rows to the high
   watermark, read the checkpoint, check it against the topics, and only then seek to it. What it cannot square it
   refuses by name, saying what would be lost.

Whatever goes wrong ends in a crash (:mod:`~streams.runtime.worker` sees to it that the process ends), and every crash
resumes at the last checkpoint.
"""
