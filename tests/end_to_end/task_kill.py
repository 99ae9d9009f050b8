# task_kill.py PROGRAM FOLDER SEED ROUNDS [WORDS]: what task_kill.sh does. One world of tasks, schedules and specs is made; each
# round puts it back, asks a verb, kills it, and lets other runs of the program say what is there.
import json, os, random, shutil, sqlite3, subprocess, sys, time
from task_kill_state import State, left_to_others, sound, wrong

PROGRAM, ROOT, SEED, ROUNDS, ONLY = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5]
HOME, PLAN, WORLD = ROOT + "/home", ROOT + "/proj", ROOT + "-world"
TASKS, ARCHIVE = HOME + "/tasks.db", HOME + "/archive.db"
os.environ["TASKSTORE_HOME"] = HOME
draw = random.Random(SEED)
failures = 0


def start(words, out):
    return subprocess.Popen([PROGRAM, *words, "--json"], cwd=PLAN, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL)


def ask(*words):
    """A run that nobody disturbs: its exit code, and its answer's data."""
    done = subprocess.run([PROGRAM, *words, "--json"], cwd=PLAN, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)["data"] if done.stdout else None


def need(*words):
    code, data = ask(*words)
    if code != 0:
        sys.exit("%s gave %d" % (" ".join(words), code))
    return data


# --- the world

def add(title, *words):
    """Its project is its title, unless another is named: so each is claimed by itself."""
    project = [] if "--project" in words else ["--project", title]
    return need("task", "add", "--title", title, "--backoff-base", "1h", *project, *words)["id"]


def held(title, *words):
    add(title, *words)
    return need("task", "claim", "--worker", "w", "--project", title, "--lease", "2h")[0]


def ended(title, verb, *words):
    task = held(title, *words)
    need("task", *verb[:1], task["id"], *verb[1:])
    return task["id"]


def make_world():
    os.makedirs(PLAN)
    subprocess.run(["git", "init", "-q", "--template=", "."], cwd=PLAN, check=True)
    need("init")
    w = {"archived": ended("archived", ["complete"])}
    need("task", "archive", "--older-than", "0s", "--all-projects")
    w["free"] = add("free")
    add("free too", "--project", "free", "--priority", "high")
    w["keyed"] = add("keyed", "--key", "key")
    w["done"] = ended("done", ["complete", "--result", "1"])
    ended("done before", ["complete"])
    w["dead"], w["dead too"] = (ended(t, ["fail", "--error", "e"], "--max-attempts", "1") for t in ("dead", "dead too"))
    w["final"] = ended("final", ["fail", "--final", "--error", "e"])
    w["cancelled"] = add("cancelled")
    need("task", "cancel", w["cancelled"])
    one = held("held")
    w["held"], w["fence"] = one["id"], str(one["fence"])
    w["waits"] = add("waits", "--depends-on", w["held"])
    w["revision"] = str(need("task", "show", w["waits"])["revision"])
    add("cancelled with it", "--depends-on", w["held"], "--depends-on", w["waits"], "--on-failed-dependency", "cancel")
    add("runs anyway", "--depends-on", w["held"], "--on-failed-dependency", "run", "--concurrency-key", "k", "--concurrency-limit", "1")
    w["in the slot"] = held("in the slot", "--concurrency-key", "k", "--concurrency-limit", "1")["id"]
    w["for the slot"] = add("for the slot", "--concurrency-key", "k", "--concurrency-limit", "1")
    w["hourly"] = need("schedule", "add", "--title", "hourly", "--every", "1h", "--catch-up", "all", "--project", "ticks")["id"]
    need("prd", "add", "--id", "p1", "--title", "Search")
    for spec, status in (("s1", "pending"), ("s2", "pending"), ("s3", "complete")):
        need("spec", "add", "--id", spec, "--prd-id", "p1", "--phase-name", spec, "--status", status)
    # What a worker leaves in the plan that has not heard that its task was cancelled.
    left = need("spec", "enqueue", "s2", "--project", "left")["id"]
    claim = need("task", "claim", "--worker", "w", "--project", "left")[0]
    need("execution", "add", "--id", "%s-%d" % (left, claim["fence"]), "--ts-id", "s2", "--status", "running")
    need("spec", "set", "s2", "--status", "running", "--assigned-to", "w")
    need("task", "release", left)
    need("task", "cancel", left)
    make_source(ROOT + "/source.db")
    os.rename(ROOT, WORLD)
    return w


def make_source(path):
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT, status TEXT, input TEXT, created_at TEXT, updated_at TEXT)")
        db.executemany("INSERT INTO tasks VALUES (?, ?, ?, 'null', ?, ?)", [
            ("0000%04d-1111-4222-8333-444444444444" % i, "Task %d" % i, ("pending", "completed", "failed")[i % 3],
             "2026-01-06T12:00:00+00:00", "2026-01-06T13:00:00+00:00") for i in range(60)])
    db.close()


def put_back():
    shutil.rmtree(ROOT, ignore_errors=True)
    shutil.copytree(WORLD, ROOT)


def three_ticks_ago():
    with sqlite3.connect(TASKS) as db:
        db.execute("UPDATE task_schedules SET anchor_at = anchor_at - 10800000, next_at = next_at - 10800000")
    db.close()


# --- the verbs

SAME, ONCE, TWICE = "same", "once", "twice"


class Verb:
    """again: what becomes of it when it is asked again: SAME: the same answer, ONCE: it may be refused, and in both nothing is done
    again; TWICE: nothing tells the second from the first. steps: several transactions, each a whole by itself; or first: words that
    do the first of two. plan: the ledger has a part in it. before: what the world lacks for it."""

    def __init__(self, name, words, again, steps=False, first=None, plan=False, before=None, singly=None):
        self.name, self.words, self.again, self.steps = name, words, again, steps
        self.first, self.plan, self.before = first, plan, before
        # One by one what was asked for together, as a whole it may be refused.
        self.singly = singly or [words]


def verbs(w):
    by = lambda request: ["--request-id", request]
    hold = [w["held"], "--fence", w["fence"]]
    new = ["task", "add", "--title", "new one", "--project", "new", "--depends-on", w["held"], "--depends-on", w["done"]]
    dead = [w["dead"], w["dead too"]]
    settle = ["spec", "enqueue", "s3"]
    return [
        Verb("add", [*new, "--parent", w["free"], "--capability", "gpu"], TWICE),
        Verb("add for a slot", [*new, "--concurrency-key", "k2", "--concurrency-limit", "2"], TWICE),
        Verb("add by key", [*new, "--key", "new key"], SAME),
        Verb("import", ["import", "--from", "lib-task-store", ROOT + "/source.db"], ONCE, steps=True),
        Verb("claim", ["task", "claim", "--worker", "w2", "--project", "free", "--limit", "3"], TWICE),
        Verb("claim by request", ["task", "claim", "--worker", "w2", "--project", "free", "--limit", "3", *by("r")], SAME),
        Verb("next by request", ["task", "next", "--worker", "w2", "--project", "free", *by("r")], SAME),
        Verb("renew", ["task", "renew", *hold, "--lease", "9h"], ONCE),
        Verb("complete", ["task", "complete", *hold, "--result", "2", "--logs", "l"], ONCE),
        Verb("complete by request", ["task", "complete", *hold, "--exit-code", "0", *by("r")], SAME),
        Verb("complete in a slot", ["task", "complete", w["in the slot"]], ONCE),
        Verb("fail by request", ["task", "fail", *hold, "--error", "e", *by("r")], SAME),
        Verb("fail for good by request", ["task", "fail", *hold, "--final", *by("r")], SAME),
        Verb("release by request", ["task", "release", w["in the slot"], *by("r")], SAME),
        Verb("cancel", ["task", "cancel", w["for the slot"], "--reason", "no"], ONCE),
        Verb("cancel what others wait for", ["task", "cancel", w["waits"]], ONCE),
        Verb("cancel what is held", ["task", "cancel", w["held"]], TWICE),
        Verb("retry", ["task", "retry", w["final"]], ONCE),
        Verb("retry what was cancelled", ["task", "retry", w["cancelled"]], ONCE),
        Verb("set", ["task", "set", w["waits"], "--title", "waits for others", "--priority", "9", "--project", "another",
                     "--depends-on", w["free"], "--no-depends-on", w["held"], "--if-revision", w["revision"]], ONCE),
        Verb("rm", ["task", "rm", w["for the slot"]], ONCE),
        Verb("rm by key", ["task", "rm", w["keyed"]], ONCE),
        Verb("rm what is archived", ["task", "rm", w["archived"]], ONCE, steps=True),
        Verb("dead retry", ["task", "dead", "retry", *dead], ONCE, steps=True, singly=[["task", "dead", "retry", d] for d in dead]),
        Verb("dead drop", ["task", "dead", "drop", *dead], ONCE, steps=True, singly=[["task", "dead", "drop", d] for d in dead]),
        Verb("ageing", ["task", "ageing", "--set", "1s"], SAME, steps=True),
        Verb("archive", ["task", "archive", "--older-than", "0s", "--all-projects"], ONCE, steps=True),
        Verb("archive and drop", ["task", "archive", "--older-than", "0s", "--all-projects", "--drop"], ONCE, steps=True),
        Verb("schedule add", ["schedule", "add", "--title", "rarely", "--cron", "0 3 29 2 *"], TWICE),
        Verb("schedule set", ["schedule", "set", w["hourly"], "--pause", "--if-revision", "1"], ONCE),
        Verb("schedule rm", ["schedule", "rm", w["hourly"]], ONCE),
        Verb("schedule run", ["schedule", "run", "--once"], ONCE, steps=True, before=three_ticks_ago),
        # Both put the plan right first, as one of a spec that is complete does, and is refused.
        Verb("spec enqueue", ["spec", "enqueue", "s1", "--command", "make"], SAME, first=settle, plan=True),
        Verb("spec enqueue after a worker's death", ["spec", "enqueue", "s2", "--command", "make"], SAME, first=settle, plan=True),
    ]


# --- one verb, again and again

class Trial:
    def __init__(self, verb):
        self.verb = verb
        self.name = verb.name
        self.counts = dict.fromkeys(("before it did it", "before it told", "after it told", "too late"), 0)

    def bad(self, what):
        global failures
        failures += 1
        print("FAILED: %s: %s" % (self.name, what), file=sys.stderr)

    def scene(self):
        put_back()
        if self.verb.before:
            self.verb.before()

    def state(self):
        if left_to_others(TASKS):
            need("task", "claim", "--worker", "nobody", "--project", "nobody")
        told = None
        if self.verb.plan:
            told = [{k: v for k, v in one.items() if k != "_revision"} for kind in ("spec", "execution") for one in need(kind, "list")]
        return State(TASKS, ARCHIVE, told, WORLD_IDS)

    def whole(self):
        """As it goes when nobody disturbs it."""
        self.scene()
        self.found = need("doctor")
        self.none = self.state()
        self.parts = [self.none]
        if self.verb.first:
            ask(*self.verb.first)
            self.parts.append(self.state())
        took = []
        states = []
        for _ in range(2):
            self.scene()
            began = time.monotonic()
            need(*self.verb.words)
            took.append(time.monotonic() - began)
            states.append(self.state())
        self.all = states[0]
        self.took = min(took)
        self.parts.append(self.all)
        if any(one == other for one, other in zip(self.parts, self.parts[1:])):
            sys.exit("%s: it does nothing that shows" % self.name)
        if states[0] != states[1]:
            sys.exit("%s: two runs leave what differs: %s" % (self.name, states[0].unlike(states[1])))
        self.sound("undisturbed")

    def sound(self, when):
        if damage := sound(TASKS, ARCHIVE):
            sys.exit("%s: %s: %s" % (self.name, when, damage))
        for what in wrong(TASKS, ARCHIVE):
            self.bad("%s: %s" % (when, what))

    def run(self):
        self.whole()
        for number in range(ROUNDS):
            # Half of them at any moment, half from when it writes on.
            writes = number % 2 == 1
            after = draw.uniform(0, self.took * (0.3 if writes else 1.1))
            self.round("round %d, killed %.1f ms after it %s" % (number, after * 1000, "wrote" if writes else "began"), after, writes)

    def round(self, when, after, writes):
        self.scene()
        was = written()
        with open(ROOT + "/out", "wb") as out:
            child = start(self.verb.words, out)
            while writes and child.poll() is None and written() == was:
                time.sleep(0.0001)
            time.sleep(after)
            child.kill()
            code = child.wait()
        told = self.told(when, code)
        if told is not None:
            self.is_there(when, told)
        if self.verb.plan:
            # Lines of a batch that did not get whole count for nothing, and stay listed.
            found = [one for one in need("doctor") if told is not None or one["what"] != "incomplete_batch"]
            if found != self.found:
                self.bad("%s: 'doctor' finds %s, and %s before" % (when, found, self.found))
        # The program opens what was left first, by itself.
        need("task", "list", "--all-projects")
        if os.path.exists(ARCHIVE + "-wal"):
            need("task", "list", "--all-projects", "--archived")
        self.sound(when)
        now = self.state()
        if told is not None and now != self.all:
            self.bad("%s: it was told, and is not there: %s" % (when, self.all.unlike(now)))
        if not self.verb.steps and now not in self.parts:
            self.bad("%s: half of it is there: %s; and without it: %s" % (when, self.all.unlike(now), self.none.unlike(now)))
        which = "too late" if code == 0 else "after it told" if told is not None else \
            "before it told" if now != self.none else "before it did it"
        self.counts[which] += 1
        if self.verb.again != TWICE:
            self.again(when, told, now)

    def told(self, when, code):
        """The data of its answer; None: it told nothing before it died."""
        with open(ROOT + "/out", encoding="utf-8") as file:
            text = file.read()
        if code not in (0, -9):
            self.bad("%s: it ended with %d: %s" % (when, code, text))
        if not text.endswith("\n"):
            if code == 0:
                self.bad("%s: it ended, and told nothing" % when)
            return None
        return json.loads(text)["data"]

    def is_there(self, when, told):
        """Tasks and schedules as they were told are what others are shown, to the last member."""
        for one in told if isinstance(told, list) else [told]:
            if "revision" not in one:
                continue
            verb = "schedule" if "catch_up" in one else "task"
            code, shown = ask(verb, "show", one["id"], "--history")
            history = shown.pop("history") if code == 0 else []
            if shown != one:
                self.bad("%s: told %s, and shown %s" % (when, one, shown))
            if not history or (verb == "task" and history[-1]["to"] != one["status"]):
                self.bad("%s: its history is not that of what was told: %s" % (when, history))

    def again(self, when, told, now):
        when += ", asked again"
        for words in self.verb.singly:
            code, data = ask(*words)
            if code != 0 and (self.verb.again == SAME or now == self.none or code not in (3, 4)):
                self.bad("%s: it gave %d" % (when, code))
        if told is not None and self.verb.again == SAME and code == 0 and names(data) != names(told):
            self.bad("%s: told %s, and then %s" % (when, names(told), names(data)))
        state = self.state()
        if state != self.all:
            self.bad("%s: it was not done once: %s" % (when, self.all.unlike(state)))
        self.sound(when)


def written():
    """How large the files are that a verb writes first."""
    paths = (TASKS + "-wal", ARCHIVE + "-wal", PLAN + "/.taskstore/executions.jsonl")
    return [size(path) for path in paths]


def size(path):
    try:
        return os.path.getsize(path)
    except FileNotFoundError:
        return 0


def names(data):
    return [(one.get("id"), one.get("revision"), one.get("fence")) for one in (data if isinstance(data, list) else [data])]


def main():
    global WORLD_IDS
    began = time.monotonic()
    os.makedirs(ROOT)
    world = make_world()
    put_back()
    WORLD_IDS = State.ids(TASKS, ARCHIVE)
    counts = {}
    for verb in verbs(world):
        if ONLY not in verb.name:
            continue
        trial = Trial(verb)
        trial.run()
        for which, number in trial.counts.items():
            counts[which] = counts.get(which, 0) + number
        print("%-36s %5.1f ms; killed %s" % (verb.name, trial.took * 1000, trial.counts), flush=True)
    print("killed %s, in %.1f s" % (counts, time.monotonic() - began))
    for which in ("before it did it", "before it told"):
        if counts[which] == 0:
            sys.exit("no round was killed %s" % which)
    sys.exit(1 if failures else 0)


main()
