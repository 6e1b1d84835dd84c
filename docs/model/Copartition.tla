----------------------------- MODULE Copartition -----------------------------
(***************************************************************************)
(* One co-partition of the worker: its checkpoints, fences, take-overs and *)
(* revocations, with crashes between any two steps, zombies, the group's   *)
(* rebalances, the broker's markers and a foreign producer's open          *)
(* transaction. Co-partitions share nothing, so one stands for all.        *)
(*                                                                         *)
(* An action is named as the numbered step in the code that it ends:       *)
(* README.md in this folder has the table. `Mutations` puts bugs back; the *)
(* sound model has none. Run: make model                                   *)
(*                                                                         *)
(* Record i of the source is the i-th. Folding it adds 1 to the row and    *)
(* makes transition i. So a row n and transitions 1 .. n are what a plain  *)
(* fold of n records gives: a row too large counted a record twice.        *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
  Workers,        \* processes, each brought back by its supervisor after a crash
  Records,        \* how many records the source holds
  Mutations,      \* bugs put back
  MaxCrashes,     \* crashes at any step, beside the fenced ones'
  MaxEvictions,   \* members that the group gives up although they live: zombies
  MaxHeartbeats,  \* commits without news
  MaxForeign,     \* transactions of a producer that is none of ours on the rows' topic
  MaxTimeouts,    \* transactions that the broker aborts because they took too long
  None

VARIABLES
  group,     \* the consumer group as its coordinator has it
  worker,    \* what each process has in memory; lost when it ends
  txn,       \* the transaction coordinator's entry for each transactional id
  log,       \* the topics; what was aborted is taken out, as no committed reader ever sees it
  offset,    \* the group's committed offset
  budget     \* how many faults are left

vars == <<group, worker, txn, log, offset, budget>>

Has(mutation) == mutation \in Mutations

Topics == {"rows", "transitions", "progress"}
OneId == "streams-3"
Ids == IF Has("NoFence") THEN Workers ELSE {OneId}
\* Without fencing each process has a transactional id of its own.
Id(w) == IF Has("NoFence") THEN w ELSE OneId

TakeOver ==
  IF Has("FenceLast")
  THEN <<"Assigned", "RowsRestored", "CheckpointFound", "CheckpointChecked", "Fenced", "HandedOver">>
  ELSE <<"Assigned", "Fenced", "RowsRestored", "CheckpointFound", "CheckpointChecked", "HandedOver">>
Before(step) == TakeOver[(CHOOSE i \in 2 .. Len(TakeOver) : TakeOver[i] = step) - 1]
TakingOver == {TakeOver[i] : i \in 1 .. Len(TakeOver) - 1} \cup {"CannotBeSquared"}

\* pc         how far membership and take-over have come
\* behind     generations since the one this member was assigned in; 2 stands for more, or for never
\* has        holds a Copartition: its rows, positions, outputs and writer
\* epoch      of its producer: none, current, fenced, or fencedByOwner (by the member whom the group names)
\* succeeded  another process has fenced since
\* row, pos, outs, done    rows, next offset, outputs to be written, next offset as of the last commit
\* commit, snap            how far a commit has come, and its snapshot
NoSnapshot == [row |-> 0, pos |-> 0, outs |-> <<>>]
Nothing == [pc |-> "Down", behind |-> 2, has |-> FALSE, epoch |-> "none", succeeded |-> FALSE,
            row |-> 0, pos |-> 0, outs |-> <<>>, done |-> 0, commit |-> "none", snap |-> NoSnapshot]
\* What a process keeps that lets go of its co-partition.
Empty(w, pc) == [Nothing EXCEPT !.pc = pc, !.behind = worker[w].behind]

Init ==
  /\ group = [members |-> {}, joined |-> {}, stable |-> FALSE, owner |-> None]
  /\ worker = [w \in Workers |-> Nothing]
  /\ txn = [i \in Ids |-> [state |-> "none", markers |-> {}, offset |-> 0, zombie |-> FALSE]]
  /\ log = [t \in Topics |-> <<>>]
  /\ offset = 0
  /\ budget = [crashes |-> MaxCrashes, evictions |-> MaxEvictions, heartbeats |-> MaxHeartbeats,
               foreign |-> MaxForeign, timeouts |-> MaxTimeouts]

-----------------------------------------------------------------------------
(* The logs, as the coordinator decided and as a reader sees them *)

Entry(w, n) == [id |-> Id(w), from |-> worker[w].done, n |-> n, open |-> TRUE]
IsDecided(e) == ~e.open \/ (e.id \in Ids /\ txn[e.id].state = "committing")
\* What every reader at read_committed will see, whatever happens from here on.
Decided(t) == SelectSeq(log[t], IsDecided)
DecidedOffset ==
  IF \E i \in Ids : txn[i].state = "committing"
  THEN txn[CHOOSE i \in Ids : txn[i].state = "committing"].offset
  ELSE offset
LastOf(s, default) == IF s = <<>> THEN default ELSE s[Len(s)].n
\* The last stable offset: before the first open entry.
Stable(t) ==
  LET opened == {i \in DOMAIN log[t] : log[t][i].open}
      end == IF opened = {} THEN Len(log[t]) ELSE (CHOOSE i \in opened : \A j \in opened : i <= j) - 1
  IN SubSeq(log[t], 1, end)
\* A reader at read_committed gets to the high watermark once nothing below it is open.
CanReadToEnd(t) == Has("LastStableOffset") \/ Len(Stable(t)) = Len(log[t])

-----------------------------------------------------------------------------
(* Folding, and the checkpoint: Copartition._commit, TransactionalWriter *)

Folded(w) ==
  LET s == worker[w] IN
  /\ s.pc = "Sought" /\ s.pos < Records
  /\ LET skips == Has("ReplayGuard") /\ s.row > s.pos IN
     worker' = [worker EXCEPT ![w].pos = @ + 1,
                              ![w].row = IF skips THEN @ ELSE @ + 1,
                              ![w].outs = IF skips THEN @ ELSE Append(@, s.pos + 1)]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

HasNews(w) == worker[w].pos # worker[w].done \/ worker[w].outs # <<>>
CommitsOnInterval(w) ==
  worker[w].pc \in {"HandedOver", "Sought", "EpochEnded", "TakeOverStopped"}
                   \cup (IF Has("Unsuspended") THEN {"Suspended", "PendingCommitted", "Joined"} ELSE {})

SnapshotTaken(w) ==
  LET s == worker[w] IN
  /\ s.has /\ s.commit = "none"
  /\ \/ /\ HasNews(w)
        /\ CommitsOnInterval(w) \/ s.pc = "Suspended"
        /\ UNCHANGED budget
     \/ /\ ~HasNews(w)
        /\ CommitsOnInterval(w) /\ budget.heartbeats > 0
        /\ budget' = [budget EXCEPT !.heartbeats = @ - 1]
  /\ worker' = [worker EXCEPT ![w].commit = "SnapshotTaken", ![w].outs = <<>>,
                              ![w].snap = [row |-> s.row, pos |-> s.pos, outs |-> s.outs]]
  /\ UNCHANGED <<group, txn, log, offset>>

Checked(w) ==
  /\ worker[w].commit = "SnapshotTaken"
  /\ worker' = [worker EXCEPT ![w].commit = "Checked"]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

Begun(w) ==
  LET s == worker[w] IN
  /\ s.commit = "Checked"
  /\ worker' = [worker EXCEPT ![w].commit = "Begun"]
  /\ IF Has("OffsetsFirst")
     THEN /\ log' = [log EXCEPT !["progress"] = Append(@, [Entry(w, s.snap.pos) EXCEPT !.open = FALSE])]
          /\ offset' = s.snap.pos
     ELSE UNCHANGED <<log, offset>>
  /\ UNCHANGED <<group, txn, budget>>

\* The coordinator takes requests of the epoch it gave out last, and none while it writes markers.
Accepts(w) == worker[w].epoch = "current" /\ txn[Id(w)].state \in {"none", "ongoing"}

RecordsWritten(w) ==
  LET s == worker[w] IN
  /\ s.commit = "Begun" /\ Accepts(w)
  /\ LET row == IF Has("RowsLate") THEN s.row ELSE s.snap.row IN
     IF s.snap.pos = s.done
     THEN UNCHANGED <<log, txn>>
     ELSE /\ log' = [log EXCEPT !["rows"] = Append(@, Entry(w, row)),
                                !["transitions"] = @ \o [i \in DOMAIN s.snap.outs |-> Entry(w, s.snap.outs[i])]]
          /\ txn' = [txn EXCEPT ![Id(w)].state = "ongoing"]
  /\ worker' = [worker EXCEPT ![w].commit = "RecordsWritten"]
  /\ UNCHANGED <<group, offset, budget>>

LastWritten(w) ==
  LET s == worker[w] IN
  /\ s.commit = "RecordsWritten" /\ Accepts(w)
  /\ IF Has("OffsetsFirst") \/ Has("ProgressApart")
     THEN UNCHANGED log
     ELSE log' = [log EXCEPT !["progress"] = Append(@, Entry(w, s.snap.pos))]
  /\ txn' = [txn EXCEPT ![Id(w)].state = "ongoing"]
  /\ worker' = [worker EXCEPT ![w].commit = "LastWritten"]
  /\ UNCHANGED <<group, offset, budget>>

OffsetsSent(w) ==
  /\ worker[w].commit = "LastWritten" /\ Accepts(w)
  /\ txn' = [txn EXCEPT ![Id(w)].offset = worker[w].snap.pos]
  /\ worker' = [worker EXCEPT ![w].commit = "OffsetsSent"]
  /\ UNCHANGED <<group, log, offset, budget>>

MarkersOf(id) == {t \in Topics : \E i \in DOMAIN log[t] : log[t][i].open /\ log[t][i].id = id}

\* The commit's request reaches the coordinator; its answer is on the way.
CommitDecided(w) ==
  LET id == Id(w) IN
  /\ worker[w].commit = "OffsetsSent" /\ Accepts(w)
  /\ txn' = [txn EXCEPT ![id].state = "committing", ![id].markers = MarkersOf(id),
                     ![id].zombie = worker[w].succeeded]
  /\ worker' = [worker EXCEPT ![w].commit = "CommitDecided"]
  /\ UNCHANGED <<group, log, offset, budget>>

Committed(w) ==
  /\ worker[w].commit = "CommitDecided"
  /\ worker' = [worker EXCEPT ![w].commit = "none", ![w].done = worker[w].snap.pos, ![w].snap = NoSnapshot]
  /\ IF Has("ProgressApart")
     THEN log' = [log EXCEPT !["progress"] = Append(@, [Entry(w, worker[w].snap.pos) EXCEPT !.open = FALSE])]
     ELSE UNCHANGED log
  /\ UNCHANGED <<group, txn, offset, budget>>

\* ProducerFenced: the worker crashes; DownAgain is its supervisor's.
MetFence(w) ==
  /\ worker[w].commit \in {"Begun", "RecordsWritten", "LastWritten", "OffsetsSent"}
  /\ worker[w].epoch \in {"fenced", "fencedByOwner"}
  /\ worker' = [worker EXCEPT ![w] = [Nothing EXCEPT !.pc = "MetFence", !.epoch = worker[w].epoch]]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

DownAgain(w) ==
  /\ worker[w].pc = "MetFence"
  /\ worker' = [worker EXCEPT ![w] = Nothing]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

-----------------------------------------------------------------------------
(* The transaction coordinator and a foreign producer *)

Committable(e, id, commits) == e.id # id \/ ~e.open \/ commits
Settle(s, id, commits) ==
  LET kept == SelectSeq(s, LAMBDA e : Committable(e, id, commits))
  IN [i \in DOMAIN kept |-> IF kept[i].id = id THEN [kept[i] EXCEPT !.open = FALSE] ELSE kept[i]]

MarkerWritten(id) ==
  \E t \in txn[id].markers :
    LET commits == txn[id].state = "committing"
        done == txn[id].markers = {t} IN
    /\ log' = [log EXCEPT ![t] = Settle(@, id, commits)]
    /\ txn' = [txn EXCEPT ![id].markers = @ \ {t}, ![id].state = IF done THEN "none" ELSE @,
                          ![id].zombie = IF done THEN FALSE ELSE @,
                          ![id].offset = IF done THEN 0 ELSE @]
    /\ offset' = IF done /\ commits THEN txn[id].offset ELSE offset
    /\ UNCHANGED <<group, worker, budget>>

Abort(id) == txn' = [txn EXCEPT ![id].state = "aborting", ![id].markers = MarkersOf(id)]

\* A new epoch for the transactional id: whoever has the one before is fenced.
WithFenced(id, epoch) ==
  [v \in Workers |-> IF Id(v) = id /\ worker[v].epoch = "current"
                    THEN [worker[v] EXCEPT !.epoch = epoch] ELSE worker[v]]

TimedOut(id) ==
  /\ txn[id].state = "ongoing" /\ budget.timeouts > 0
  /\ Abort(id)
  /\ worker' = WithFenced(id, "fenced")
  /\ budget' = [budget EXCEPT !.timeouts = @ - 1]
  /\ UNCHANGED <<group, log, offset>>

ForeignOpened ==
  /\ budget.foreign > 0
  /\ budget' = [budget EXCEPT !.foreign = @ - 1]
  /\ log' = [log EXCEPT !["rows"] = Append(@, [id |-> "foreign", from |-> 0, n |-> 0, open |-> TRUE])]
  /\ UNCHANGED <<group, worker, txn, offset>>

ForeignSettled ==
  /\ \E i \in DOMAIN log["rows"] : log["rows"][i].id = "foreign"
  /\ log' = [log EXCEPT !["rows"] = Settle(@, "foreign", FALSE)]
  /\ UNCHANGED <<group, worker, txn, offset, budget>>

-----------------------------------------------------------------------------
(* The take-over: takeover.py, and the seek that follows it *)

Fence(w) == IF group.stable /\ group.owner = w /\ worker[w].behind = 0 THEN "fencedByOwner" ELSE "fenced"

\* InitProducerId finds an open transaction: it is aborted first, and the request comes again.
FenceUnderWay(w) ==
  LET id == Id(w) IN
  /\ worker[w].pc = Before("Fenced") /\ txn[id].state = "ongoing"
  /\ Abort(id)
  /\ worker' = WithFenced(id, Fence(w))
  /\ UNCHANGED <<group, log, offset, budget>>

Fenced(w) ==
  LET id == Id(w) IN
  /\ worker[w].pc = Before("Fenced") /\ txn[id].state = "none"
  /\ LET found == WithFenced(id, Fence(w)) IN
     worker' = [v \in Workers |-> IF v = w THEN [worker[w] EXCEPT !.pc = "Fenced", !.epoch = "current"]
                                 ELSE [found[v] EXCEPT !.succeeded = found[v].epoch # "none"]]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

RowsRestored(w) ==
  /\ worker[w].pc = Before("RowsRestored") /\ CanReadToEnd("rows")
  /\ worker' = [worker EXCEPT ![w].pc = "RowsRestored", ![w].row = LastOf(Stable("rows"), 0)]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

CheckpointFound(w) ==
  /\ worker[w].pc = Before("CheckpointFound") /\ CanReadToEnd("progress")
  /\ worker' = [worker EXCEPT ![w].pc = "CheckpointFound", ![w].pos = LastOf(Stable("progress"), None)]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

\* Rows or transitions without a checkpoint cannot be squared; whether to refuse is another question.
CheckpointChecked(w) ==
  /\ worker[w].pc = Before("CheckpointChecked")
  /\ LET untouched == Stable("rows") = <<>> /\ Stable("transitions") = <<>>
         squares == worker[w].pos # None \/ untouched IN
     worker' = [worker EXCEPT ![w].pc = IF squares THEN "CheckpointChecked"
                                        ELSE IF Has("FenceUnasked") THEN "Refused" ELSE "CannotBeSquared",
                              ![w].pos = IF @ = None THEN 0 ELSE @]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

\* The coordinator tells by the epoch, once no markers are under way. Who is fenced crashes, as at a commit.
FenceAsked(w) ==
  /\ worker[w].pc = "CannotBeSquared"
  /\ IF worker[w].epoch = "current"
     THEN /\ txn[Id(w)].state = "none"
          /\ worker' = [worker EXCEPT ![w].pc = "Refused"]
     ELSE worker' = [worker EXCEPT ![w] = [Nothing EXCEPT !.pc = "MetFence", !.epoch = worker[w].epoch]]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

HandedOver(w) ==
  /\ worker[w].pc = Before("HandedOver")
  /\ worker' = [worker EXCEPT ![w].pc = "HandedOver", ![w].has = TRUE, ![w].done = worker[w].pos]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

Sought(w) ==
  /\ worker[w].pc = "HandedOver"
  /\ worker' = [worker EXCEPT ![w].pc = "Sought"]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

-----------------------------------------------------------------------------
(* Revocation and assignment: copartitions.py *)

\* The member learns that the group is rebalancing, or went on without it.
EpochEnded(w) ==
  /\ worker[w].pc \in {"Idle", "HandedOver", "Sought"} \cup TakingOver
  /\ w \notin group.members \/ (~group.stable /\ w \notin group.joined)
  /\ worker' = [worker EXCEPT ![w] = IF @.has THEN [@ EXCEPT !.pc = "EpochEnded"] ELSE Empty(w, "EpochEnded")]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

Advanced(w, from, to) ==
  /\ worker[w].pc = from
  /\ worker' = [worker EXCEPT ![w].pc = to]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

TakeOverStopped(w) == Advanced(w, "EpochEnded", "TakeOverStopped")

Suspended(w) == Advanced(w, "TakeOverStopped", "Suspended")

\* After the commit under way, and one of what is pending.
PendingCommitted(w) ==
  /\ Has("Unsuspended") \/ (worker[w].commit = "none" /\ ~HasNews(w))
  /\ Advanced(w, "Suspended", "PendingCommitted")

Joined(w) ==
  /\ \/ worker[w].pc = "PendingCommitted"
     \/ worker[w].pc = "Joined" /\ (w \notin group.members \/ (~group.stable /\ w \notin group.joined))
  /\ worker' = [worker EXCEPT ![w].pc = "Joined"]
  /\ \/ group' = [group EXCEPT !.members = @ \cup {w}, !.joined = @ \cup {w}, !.stable = FALSE]
     \* Static membership: a restarted member has its assignment back at once.
     \/ /\ group.stable /\ w \in group.members
        /\ UNCHANGED group
  /\ UNCHANGED <<txn, log, offset, budget>>

Balanced ==
  /\ ~group.stable /\ group.members # {} /\ group.members = group.joined
  /\ \E owner \in group.members :
       group' = [group EXCEPT !.joined = {}, !.stable = TRUE, !.owner = owner]
  /\ worker' = [w \in Workers |-> [worker[w] EXCEPT !.behind = IF @ < 2 THEN @ + 1 ELSE 2]]
  /\ UNCHANGED <<txn, log, offset, budget>>

Assigned(w) ==
  LET s == worker[w]
      kept == s.has /\ (s.behind = 1 \/ Has("KeptOverSkippedGenerations")) IN
  /\ s.pc = "Joined" /\ group.stable /\ w \in group.members
  \* Giving up waits for a commit under way; only "Unsuspended" can have one.
  /\ s.commit = "none"
  /\ worker' = [worker EXCEPT ![w] =
       IF group.owner # w THEN [Nothing EXCEPT !.pc = "Idle", !.behind = 0]
       ELSE IF kept THEN [s EXCEPT !.pc = "HandedOver", !.behind = 0]
       ELSE [Nothing EXCEPT !.pc = "Assigned", !.behind = 0]]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

-----------------------------------------------------------------------------
(* Faults *)

Started(w) ==
  /\ worker[w].pc = "Down"
  /\ worker' = [worker EXCEPT ![w].pc = "PendingCommitted"]
  /\ UNCHANGED <<group, txn, log, offset, budget>>

Crashed(w) ==
  /\ worker[w].pc \notin {"Down", "MetFence", "Refused"} /\ budget.crashes > 0
  /\ budget' = [budget EXCEPT !.crashes = @ - 1]
  /\ worker' = [worker EXCEPT ![w] = Nothing]
  /\ UNCHANGED <<group, txn, log, offset>>

\* Paused past its session, or cut off: the group goes on, and the member does not know.
Evicted(w) ==
  /\ w \in group.members
  /\ IF worker[w].pc \in {"Down", "MetFence", "Refused"}
     THEN UNCHANGED budget
     ELSE /\ budget.evictions > 0
          /\ budget' = [budget EXCEPT !.evictions = @ - 1]
  /\ group' = [group EXCEPT !.members = @ \ {w}, !.joined = @ \ {w}, !.stable = FALSE]
  /\ UNCHANGED <<worker, txn, log, offset>>

-----------------------------------------------------------------------------

Done ==
  /\ \A t \in Topics : Len(Stable(t)) = Len(log[t])
  /\ LastOf(log["progress"], 0) = Records

\* Not a deadlock: everything is folded and committed.
Finished == Done /\ UNCHANGED vars

Next ==
  \/ \E w \in Workers :
       \/ Folded(w) \/ SnapshotTaken(w) \/ Checked(w) \/ Begun(w) \/ RecordsWritten(w) \/ LastWritten(w)
       \/ OffsetsSent(w) \/ CommitDecided(w) \/ Committed(w) \/ MetFence(w) \/ DownAgain(w)
       \/ FenceUnderWay(w) \/ Fenced(w) \/ RowsRestored(w) \/ CheckpointFound(w) \/ CheckpointChecked(w)
       \/ FenceAsked(w) \/ HandedOver(w) \/ Sought(w)
       \/ EpochEnded(w) \/ TakeOverStopped(w) \/ Suspended(w) \/ PendingCommitted(w) \/ Joined(w) \/ Assigned(w)
       \/ Started(w) \/ Crashed(w) \/ Evicted(w)
  \/ \E id \in Ids : MarkerWritten(id) \/ TimedOut(id)
  \/ Balanced \/ ForeignOpened \/ ForeignSettled
  \/ Finished

Spec == Init /\ [][Next]_vars

Symmetry == Permutations(Workers)

-----------------------------------------------------------------------------
(* What is promised (docs/design.md, section 7) *)

Checkpoint == LastOf(Decided("progress"), 0)
Row == LastOf(Decided("rows"), 0)

\* Rows, transitions, checkpoint and the group's offset of a commit are one snapshot.
OneSnapshot ==
  /\ Row = Checkpoint
  /\ Len(Decided("transitions")) = Checkpoint
  /\ DecidedOffset = Checkpoint

\* No transition is doubled, out of order or passed over; and none is missing once the checkpoint has passed it.
TransitionsExactlyOnce ==
  LET found == Decided("transitions") IN
  /\ \A i \in DOMAIN found : found[i].n = i
  /\ Len(found) >= Checkpoint

\* Once everything is folded, the row is the plain fold's.
RowsEqualTheFold == Done => Row = Records

\* Once a process has fenced, nothing of an earlier one is committed any more.
ZombiesAreFenced == \A id \in Ids : ~txn[id].zombie

\* Each commit goes on where the last one ended; two owners' commits would fork.
OneOwnerCommits ==
  LET found == Decided("progress") IN
  \A i \in DOMAIN found : found[i].from = IF i = 1 THEN 0 ELSE found[i - 1].n

\* Who has joined the next generation has nothing under way and nothing pending.
RevokeSettles == \A w \in group.joined : worker[w].commit = "none" /\ ~HasNews(w)

\* A member is never fenced by the one whom the group made owner: only by a zombie, or by the broker's timeout.
MembersAreNotFenced ==
  \A w \in Workers : worker[w].pc = "MetFence" /\ w \in group.members => worker[w].epoch # "fencedByOwner"

\* No crash leaves behind what a take-over refuses, and nobody refuses because of what a successor has written.
NobodyRefuses == \A w \in Workers : worker[w].pc # "Refused"
=============================================================================
