"""Both cores against each other, in memory: loss, delay, crashes, reconnections and restarts in any order.

The model is what a user may rely on: a job ends once for its client, who is told of it and of every step before;
nothing runs twice, a job's name stands for one content, a cancelled job never delivers, who is silent for a lease and
nobody else loses its jobs, a result that was kept is there until it is acknowledged, whatever became of the daemon that
made it, and with a patient world every owner hears how its jobs end, and so does whoever asks.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from impasto_protocol import client_core, messages, server_events
from impasto_protocol.client_core import Broken, ClientCore, Heard, Phase
from impasto_protocol.codec import decode, encode
from impasto_protocol.errors import Code, Problem
from impasto_protocol.jobstate import State
from impasto_protocol.limits import Limits
from impasto_protocol.server_core import ServerCore
from impasto_protocol.server_events import Capacity, Finished, Found, Gone, Leaving, Received, Stored, WorkerSaid
from impasto_protocol.server_state import Job

from .pictures import picture, request

ALICE_S = [f"job{number}" for number in range(4)]
JOBS = st.sampled_from(ALICE_S)


class Conversation(RuleBasedStateMachine):
    """One client, one daemon, workers that do as told, and a network that may lose everything at once."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.connection = 0
        self.instance = 0
        self.server = self.a_daemon()
        self.client = ClientCore(client="alice")
        self.heard: list[messages.Message] = []
        self.to_server: deque[messages.Message] = deque()
        self.to_client: deque[messages.Message] = deque()
        self.room = 1
        self.working: dict[str, bool] = {}  # whether each is to stop
        self.starts: list[str] = []
        self.kept: dict[str, tuple[Finished, float]] = {}
        self.storing: list[str] = []
        self.iterated: set[str] = set()
        self.outcomes: dict[str, list[messages.Message]] = {}
        self.cancelled: set[str] = set()
        self.contents: dict[str, float] = {}
        self.told: dict[str, tuple[State, int]] = {}
        self.last_words: dict[str, float] = {}
        self.client_does(self.client.start(self.now))

    # Carrying out -----------------------------------------------------------------------------------------

    def client_does(self, actions: list[client_core.Action]) -> None:
        for action in actions:
            if isinstance(action, client_core.SendOut):
                self.to_server.append(action.message)
            elif isinstance(action, client_core.Tell):
                self.heard.append(action.message)
                job = client_core.job_of(action.message)
                if isinstance(action.message, (messages.Result, messages.Error)) and job and not action.message.re:
                    self.outcomes.setdefault(job, []).append(action.message)

    def the_daemon_hears(self, event: server_events.Event) -> list[server_events.Action]:
        """What it does about that, which has been carried out; whose jobs ended by it was told so, once."""
        alive = [job for job in self.server.jobs.values() if not job.state.terminal]
        abandoned = [job for job in alive if is_abandoned(job)]
        routes = dict(self.server.routes)
        actions = self.server.handle(event, self.now)
        self.a_client_was_heard(event, routes)
        for job in alive:
            session = self.server.sessions.get(job.owner)
            told = [route for each in actions for route, name in end_told(each) if name == job.id]
            assert told == ([session.route] if job.state.terminal and session else [])
            assert job in abandoned or not is_abandoned(job) or self.is_silent(job.owner)
        self.server_does(actions)
        return actions

    def a_client_was_heard(self, event: server_events.Event, before: dict[bytes, str]) -> None:
        if isinstance(event, Received) and event.route in self.server.routes:
            self.last_words[self.server.routes[event.route]] = self.now
        elif isinstance(event, Gone) and event.route in before:
            self.last_words[before[event.route]] = self.now - self.server.lease

    def is_silent(self, client: str) -> bool:
        return self.now >= self.last_words[client] + self.server.lease

    def server_does(self, actions: list[server_events.Action]) -> None:
        for action in actions:
            if isinstance(action, server_events.Send):
                self.it_sends(action)
            elif isinstance(action, server_events.SendKept):
                assert action.job in self.kept and action.job not in self.storing
                if action.route == self.route:
                    self.to_client.append(messages.Result(job=action.job, re=action.re, pictures=(picture(),)))
            elif isinstance(action, (server_events.Keep, server_events.KeepIterate)):
                self.it_keeps(action)
            elif isinstance(action, server_events.Forget):
                self.it_forgets(action.job)
            elif isinstance(action, server_events.Start):
                assert len(self.working) < self.room, "no more than there is room for"
                self.working[action.submit.job] = False
                self.starts.append(action.submit.job)
            elif isinstance(action, server_events.Enough):
                assert action.job in self.working
            elif isinstance(action, server_events.Stop):
                assert action.job in self.working
                self.working[action.job] = True

    def it_keeps(self, action: server_events.Keep | server_events.KeepIterate) -> None:
        job = action.finished.job
        assert job not in self.cancelled
        if isinstance(action, server_events.KeepIterate):
            assert job in self.working
            self.iterated.add(job)
        else:
            self.kept[job] = action.finished, self.now
            self.storing.append(job)

    def it_forgets(self, job: str) -> None:
        assert job in self.kept or job in self.iterated
        self.kept.pop(job, None)
        self.iterated.discard(job)
        self.storing = [other for other in self.storing if other != job]

    def it_sends(self, action: server_events.Send) -> None:
        if isinstance(action.message, (messages.Accepted, messages.Progress)):
            self.told[action.message.job] = action.message.state, action.message.position
        if action.route == self.route:
            self.to_client.append(action.message)

    @property
    def route(self) -> bytes:
        return str(self.connection).encode()

    def a_daemon(self) -> ServerCore:
        return ServerCore(instance=f"run{self.instance}", limits=Limits(queue=3))

    # What may happen --------------------------------------------------------------------------------------

    def the_client_says(self, message: messages.ClientMessage, quickly: bool) -> None:
        """Where the network is slow, messages wait to arrive one by one, and much may happen before."""
        if quickly:
            self.everything_arrives()
        if self.client.phase is Phase.READY:
            self.to_server.append(self.client.request(message, self.now))
        if quickly:
            self.everything_arrives()

    @rule(job=JOBS, strength=st.sampled_from([50.0, 60.0]), detach=st.booleans(), quickly=st.booleans())
    def submit(self, job: str, strength: float, detach: bool, quickly: bool) -> None:
        self.the_client_says(
            messages.Submit.of(request(strength=strength), job, id=1, preview=8, detach=detach), quickly
        )

    @rule(job=JOBS, quickly=st.booleans())
    def cancel(self, job: str, quickly: bool) -> None:
        self.the_client_says(messages.Cancel(id=1, job=job), quickly)

    @rule(job=JOBS, steer=st.sampled_from([messages.Finish, messages.Detach]), quickly=st.booleans())
    def steer(self, job: str, steer: Any, quickly: bool) -> None:
        self.the_client_says(steer(id=1, job=job), quickly)

    @rule(job=JOBS, step=st.integers(0, 1), quickly=st.booleans())
    def fetch(self, job: str, step: int, quickly: bool) -> None:
        self.the_client_says(messages.Fetch(id=1, job=job, step=step), quickly)

    @rule(recipe=st.sampled_from(["impasto", "gatys"]), resume=st.sampled_from(["", *ALICE_S]), quickly=st.booleans())
    def foresee(self, recipe: str, resume: str, quickly: bool) -> None:
        asked = request(recipe=recipe, resume=resume).outline
        self.the_client_says(messages.Foresee.of(asked, id=1), quickly)

    @rule(quickly=st.booleans())
    def acknowledge_what_has_come(self, quickly: bool) -> None:
        for job in [job for job, told in self.outcomes.items() if isinstance(told[-1], messages.Result)]:
            self.the_client_says(messages.Ack(job=job, of="result"), quickly)

    @rule()
    def client_message_arrives(self) -> None:
        if self.to_server:
            message = decode(encode(self.to_server.popleft()), Limits())
            if isinstance(message, messages.Cancel) and message.job in self.server.jobs:
                state = self.server.jobs[message.job].state
                if not state.terminal:
                    self.cancelled.add(message.job)
            known, starts = set(self.server.jobs), list(self.starts)
            actions = self.the_daemon_hears(Received(self.route, message))
            if isinstance(message, messages.Submit):
                self.a_name_stands_for_one_content(message, known, actions)
            elif isinstance(message, messages.Foresee):
                self.a_question_changes_nothing(message, known, starts, actions)

    def a_question_changes_nothing(
        self, asked: messages.Foresee, known: set[str], starts: list[str], actions: list[server_events.Action]
    ) -> None:
        answer = next(a.message for a in actions if isinstance(a, server_events.Send))
        assert client_core.answer_of(answer) == asked.id
        assert set(self.server.jobs) <= known and self.starts == starts
        assert isinstance(answer, messages.Foreseen) or getattr(answer, "code", "") in {"no_session", "unknown_job"}

    def a_name_stands_for_one_content(
        self, submit: messages.Submit, known: set[str], actions: list[server_events.Action]
    ) -> None:
        if submit.job not in known:
            self.contents[submit.job] = submit.strength
        answer = next(a.message for a in actions if isinstance(a, server_events.Send))
        code = answer.code if isinstance(answer, messages.Error) else ""
        other = submit.job in known and self.contents[submit.job] != submit.strength
        assert code == "no_session" or (code == "conflict") == other
        over = not code and self.server.jobs[submit.job].state.terminal
        assert [ended for each in actions for ended in end_told(each)].count((self.route, submit.job)) == over

    @rule()
    def daemon_message_arrives(self) -> None:
        if self.to_client:
            message = decode(encode(self.to_client.popleft()), Limits())
            self.client_does(self.client.handle(Heard(message), self.now))

    def everything_arrives(self) -> None:
        while self.to_server or self.to_client:
            self.client_message_arrives()
            self.daemon_message_arrives()

    @rule(copies=st.integers(0, 1))
    def the_network_loses_or_doubles_a_message(self, copies: int) -> None:
        if self.to_server:
            message = self.to_server.popleft()
            self.to_server.extendleft([message] * (copies * 2))

    @rule(room=st.integers(0, 3))
    def there_is_room_for_more_or_less(self, room: int) -> None:
        """What is with a worker stays there."""
        self.room = room
        self.the_daemon_hears(Capacity(room))

    @rule(said=st.sampled_from(["step", "preview", "iterate", "result", "failure", "let go"]), which=st.integers(0, 2))
    def a_worker_speaks(self, said: str, which: int) -> None:
        if not self.working:
            return
        job = list(self.working)[which % len(self.working)]
        message: Any = {
            "step": messages.Progress(job=job, state=State.RUNNING, step=1, steps=2),
            "preview": messages.Preview(job=job, pictures=(picture(),)),
            "iterate": messages.Result(job=job, step=1, pictures=(picture(),)),
            "result": messages.Result(job=job, pictures=(picture(),)),
            "failure": messages.Error.of(Problem(Code.WORKER_DIED, "ouch"), job=job),
            "let go": messages.Error.of(Problem(Code.CANCELLED, "let go"), job=job),
        }[said]
        if said == "let go" and not self.working[job]:
            return
        if said in {"result", "failure", "let go"}:
            del self.working[job]
        known = self.server.jobs.get(job)
        actions = self.the_daemon_hears(WorkerSaid(message))
        owner = self.server.sessions.get(known.owner) if known and known.state is State.RUNNING else None
        if owner and (said == "step" or (said == "preview" and "previews" in owner.features)):
            (told,) = [a for a in actions if isinstance(a, server_events.Send) and a.message.TYPE == message.TYPE]
            assert told.route == owner.route

    @rule()
    def a_result_is_stored(self) -> None:
        if self.storing:
            self.the_daemon_hears(Stored(self.storing.pop(0)))

    @rule(seconds=st.sampled_from([0.5, 2.0, 6.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.the_daemon_hears(server_events.Tick())
        self.client_does(self.client.handle(client_core.Tick(), self.now))

    @rule()
    def the_connection_breaks(self) -> None:
        self.to_server.clear()
        self.to_client.clear()
        self.connection += 1
        self.client_does(self.client.handle(Broken(), self.now))

    @rule()
    def a_message_overtakes_another(self) -> None:
        for way in (self.to_server, self.to_client):
            if len(way) > 1:
                way.rotate(1)

    @rule(number=st.integers(0, 8))
    def somebody_else_asks(self, number: int) -> None:
        """And never listens to an answer."""
        for message in (
            messages.Hello(id=1, client="bob", features=("detach",)),
            messages.Submit.of(request(), f"bob{number}", id=2, detach=bool(number % 3)),
        ):
            self.the_daemon_hears(Received(b"bob", message))

    @rule(way=st.sampled_from(["asked", "killed", "too early"]), last_words=st.integers(0, 4), noticed=st.booleans())
    def the_daemon_is_restarted(self, way: str, last_words: int, noticed: bool) -> None:
        """Asked to end, or killed, and its worker with it. The next one finds what is on disk, as the supervisor does.

        Too early: before results are stored, which are lost then. Some last words are still heard. A client that does
        not notice the break says to the next daemon what was meant for this one.
        """
        if way == "asked":
            self.storing.clear()  # it waits for the disk first
            self.the_daemon_hears(Leaving())
            assert all(job.state.terminal for job in self.server.jobs.values())
            assert all(self.working.values())
        for _ in range(last_words):
            self.daemon_message_arrives()
        if way == "too early":
            self.kept = {job: each for job, each in self.kept.items() if job not in self.storing}
        self.storing.clear()
        self.iterated &= self.kept.keys()  # on disk the others are nobody's
        self.instance += 1
        self.server, self.working, self.room = self.a_daemon(), {}, 1
        for finished, ended in self.kept.values():
            self.the_daemon_hears(Found(finished, self.now - ended))
        # What was not kept ended with its daemon: of the next one it may be asked again.
        self.starts = [job for job in self.starts if job in self.kept]
        self.outcomes = {job: outcomes for job, outcomes in self.outcomes.items() if job in self.kept}
        self.cancelled.clear()
        if noticed:
            self.the_connection_breaks()
        else:
            self.to_client.clear()
            self.connection += 1

    @rule(seen=st.booleans())
    def another_client_takes_this_one_s_place(self, seen: bool) -> None:
        """seen: its process has ended, and the kernel says so."""
        if seen:
            self.the_daemon_hears(Gone(self.route))
        self.the_connection_breaks()
        self.client, self.heard = ClientCore(client="alice"), []
        self.to_server.clear()
        self.client_does(self.client.start(self.now))

    # What must hold ---------------------------------------------------------------------------------------

    @invariant()
    def what_is_under_way_is_with_a_worker(self) -> None:
        assert self.server.active == list(self.working)
        busy = [j for j in self.server.jobs.values() if not j.state.terminal and j.state is not State.QUEUED]
        assert sorted(j.id for j in busy) == sorted([*self.storing, *self.working])

    @invariant()
    def the_queue_is_what_waits(self) -> None:
        waiting = [j.id for j in self.server.jobs.values() if j.state is State.QUEUED]
        assert sorted(waiting) == sorted(self.server.queue)
        assert len(waiting) <= self.server.limits.queue
        assert not waiting or len(self.working) >= self.room, "nobody waits for an idle worker"

    @invariant()
    def clients_take_turns(self) -> None:
        waiting = sorted(
            (j for j in self.server.jobs.values() if j.state is State.QUEUED), key=lambda job: job.position
        )
        first = max(0, len(self.working) - self.room + 1)  # so many have to end before the first one begins
        assert [job.position for job in waiting] == list(range(first, first + len(waiting)))
        own = [self.server.queue.index(job.id) for job in waiting if job.owner == "alice"]
        assert own == sorted(own), "one's own jobs come in their order"
        ahead = [job.owner for job in waiting[:2]]
        both = len({job.owner for job in waiting}) == 2
        assert not both or len(set(ahead)) == 2, "nobody has two turns while another waits"

    @invariant()
    def owners_know_how_far_their_jobs_are(self) -> None:
        for job in self.server.jobs.values():
            if not job.state.terminal and job.state is not State.CANCELLING:
                assert self.told[job.id] == (job.state, job.position)

    @invariant()
    def who_is_silent_for_a_lease_has_nothing_painted(self) -> None:
        for job in self.server.jobs.values():
            if not job.state.terminal and job.state is not State.CANCELLING:
                assert job.detach or not self.is_silent(job.owner)

    @invariant()
    def workers_were_told_to_stop_what_is_cancelled_and_nothing_else(self) -> None:
        for job, stopping in self.working.items():
            assert stopping == (self.server.jobs[job].state is State.CANCELLING)

    @invariant()
    def no_job_runs_twice(self) -> None:
        remembered = [job for job in self.starts if job in self.server.jobs]
        assert len(set(remembered)) == len(remembered)

    @invariant()
    def what_was_cancelled_delivers_nothing(self) -> None:
        for job in self.cancelled & set(self.server.jobs):
            assert self.server.jobs[job].state in {State.CANCELLING, State.CANCELLED}
            assert job not in self.kept

    @invariant()
    def nobody_hears_of_a_result_that_may_be_lost(self) -> None:
        assert not self.outcomes.keys() & set(self.storing)

    @invariant()
    def a_job_ends_one_way(self) -> None:
        """Its end may be told again to who asks again, but it is always the same end, or gone by then."""
        for job, outcomes in self.outcomes.items():
            told = {o.code if isinstance(o, messages.Error) else "result" for o in outcomes}
            assert len(told - {"result_gone", "conflict"}) <= 1, f"{job} ended in {told}"

    @invariant()
    def ended_jobs_hold_no_pixels_and_kept_ones_are_kept(self) -> None:
        assert not any(job.state.terminal and job.submit for job in self.server.jobs.values())
        assert {job.id for job in self.server.jobs.values() if job.kept} == set(self.kept)

    @invariant()
    def iterates_are_kept_of_what_is_painted_or_is_to_be(self) -> None:
        assert self.iterated <= self.kept.keys() | self.working.keys()

    def teardown(self) -> None:
        """In a world that has become patient, owners hear how their jobs end, and whoever asks hears it again."""
        self.the_two_come_together()
        waited_for = [job.id for job in self.server.jobs.values() if job.owner == "alice" and not job.state.terminal]
        before = {job: len(self.outcomes.get(job, ())) for job in waited_for}
        self.there_is_room_for_more_or_less(1)
        while self.working:
            self.a_worker_speaks("result", 0)
        while self.storing:
            self.a_result_is_stored()
        self.everything_arrives()
        assert self.client.phase is Phase.READY
        assert all(job.state.terminal for job in self.server.jobs.values())
        assert {job: len(self.outcomes.get(job, ())) - times for job, times in before.items()} == dict.fromkeys(
            before, 1
        )
        for job in ALICE_S:
            assert self.what_the_client_hears_of(job) == self.how_it_ended(job)

    def the_two_come_together(self) -> None:
        """Nothing is lost any more but what was lost before."""
        self.everything_arrives()
        if self.client.phase is Phase.LOST:
            self.another_client_takes_this_one_s_place(seen=False)
        if self.client.phase is Phase.GREETING:
            self.the_connection_breaks()  # or a hello that was lost would never be said again
        self.the_client_says(messages.Ping(id=1), quickly=True)  # or it would not hear of another daemon

    def what_the_client_hears_of(self, job: str) -> str:
        """Asked again, as the shell does, where the first question tells a client that its daemon is another one."""
        asked = self.client.request(messages.Fetch(id=1, job=job), self.now)
        answers: list[messages.Message] = []
        for _ in range(2):
            if not answers:
                self.to_server.append(asked)
                self.everything_arrives()
                answers = [message for message in self.heard if client_core.answer_of(message) == asked.id]
        (answer,) = answers
        return self.client.end_of(answer).code.value if isinstance(answer, messages.Error) else answer.TYPE

    def how_it_ended(self, job: str) -> str:
        known = self.server.jobs.get(job)
        if known is None:
            daemons = {message.instance for message in self.heard if isinstance(message, messages.Welcome)}
            return "daemon_lost" if len(daemons) > 1 else "unknown_job"
        return "result" if job in self.kept else known.problem.code.value if known.problem else "result_gone"


def is_abandoned(job: Job) -> bool:
    return job.problem is not None and job.problem.code is Code.ABANDONED


def end_told(action: server_events.Action) -> list[tuple[bytes, str]]:
    """To whom, and of which job, if this tells that one has ended."""
    if isinstance(action, server_events.SendKept):
        return [] if action.re else [(action.route, action.job)]
    if isinstance(action, server_events.Send) and isinstance(action.message, messages.Error):
        told = action.message
        return [(action.route, told.job)] if told.job and not told.re else []
    return []


TestConversation = Conversation.TestCase
TestConversation.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
