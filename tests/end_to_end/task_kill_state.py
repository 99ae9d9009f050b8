# What a device's databases hold, to be compared; and what in them does not fit, by rules written apart from the store.
import json, os, re, sqlite3, time

# What is drawn, or of transactions; ranks and the hashes of what was asked for have a time in them.
DRAWN = {"last_write", "seq", "transaction_id", "epoch", "change", "rank", "next_created_at", "fingerprint"}
LEFT_OUT = {"task_clock", "taskstore_migrations", "taskstore_database"}
UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
TIME = re.compile(r"\b1[5-9]\d{11}\b")
HOUR_MS = 3_600_000


def opened(path):
    db = sqlite3.connect("file:%s?mode=rw" % path, uri=True, timeout=30)
    db.row_factory = sqlite3.Row
    return db


def tables(path):
    """Every row of every table, by the table's name."""
    if not os.path.exists(path):
        return {}
    db = opened(path)
    db.execute("BEGIN")
    names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
    rows = {name: [dict(row) for row in db.execute("SELECT * FROM " + name)] for name in names if name not in LEFT_OUT}
    db.close()
    return rows


class State:
    """Lines that are the same wherever the same was done: new ids are `new`, times are told by how far ahead they are."""

    def __init__(self, tasks, archive, told, known):
        now_ms = time.time() * 1000

        def moment(match):
            ahead = int(match[0]) - now_ms
            return "past" if ahead < HOUR_MS / 60 else "soon" if ahead < 5 * HOUR_MS else "late"

        def plain(text):
            return TIME.sub(moment, UUID.sub(lambda m: m[0] if m[0] in known else "new", text))

        lines = [plain(json.dumps(told, sort_keys=True))] if told is not None else []
        for path in (tasks, archive):
            for name, rows in tables(path).items():
                for row in rows:
                    lines.append(plain(name + " " + json.dumps({k: v for k, v in row.items() if k not in DRAWN})))
        self.lines = sorted(lines)

    def __eq__(self, other):
        return self.lines == other.lines

    def unlike(self, other):
        """A few lines of what only one of the two has."""
        mine, others = list(self.lines), list(other.lines)
        for line in self.lines:
            if line in others:
                others.remove(line)
                mine.remove(line)
        return "; ".join(["wanted " + line for line in mine[:3]] + ["is " + line for line in others[:3]])

    @staticmethod
    def ids(tasks, archive):
        return {i for path in (tasks, archive) for i in UUID.findall(json.dumps(tables(path)))}


def left_to_others(tasks):
    """Slots to be settled and tasks to be ranked anew, by whoever claims next."""
    db = opened(tasks)
    left = db.execute("SELECT 1 FROM task_limits WHERE dirty = 1 UNION ALL SELECT 1 FROM task_ageing WHERE stale = 1").fetchone()
    db.close()
    return left is not None


def sound(*paths):
    """What the engine says of its files."""
    found = []
    for path in filter(os.path.exists, paths):
        db = opened(path)
        try:
            found += ["%s: %s" % (path, told) for (told,) in db.execute("PRAGMA integrity_check") if told != "ok"]
        except sqlite3.DatabaseError as error:
            found.append("%s: %s" % (path, error))
        db.close()
    return found


def wrong(tasks, archive):
    here, there = tables(tasks), tables(archive)
    found = []

    def expect(is_so, what):
        if not is_so:
            found.append(what)

    known = {task["id"]: task for task in here["tasks"]}
    moves = histories(here["task_history"])
    for task in known.values():
        told = "'%s' (%s)" % (task["title"], task["status"])
        expect(task["id"] in moves, told + " has no history")
        expect((task["status"] == "in_progress") == (task["lease_expires_at"] is not None), told + " has a lease, or lacks one")
        open_edges = [e for e in here["task_dependencies"] if e["task_id"] == task["id"] and e["open"]]
        expect(task["open_dependencies"] == len(open_edges), told + " counts other dependencies than it has")
        words = {w["token"] for w in here["task_words"] if w["task_id"] == task["id"]}
        expect(words == set((task["words"] or "").split()), told + " is not found by its words")
    for edge in here["task_dependencies"]:
        expect(edge["task_id"] in known and edge["depends_on"] in known, "an edge with an end that is gone")
    for key in here["task_keys"]:
        expect(key["task_id"] in known, "a key of a task that is gone")
    chains(known, moves, expect)
    requests(here, expect)
    schedules(here, expect)
    if "archived_tasks" in there:
        kept = {task["id"]: task for task in there["archived_tasks"]}
        chains(kept, histories(there["archived_task_history"]), expect)
        for task in kept.values():
            expect(task["status"] not in ("pending", "in_progress"), "'%s' is archived, and open" % task["title"])
    return found


def histories(rows):
    moves = {}
    for move in sorted(rows, key=lambda move: move["revision"]):
        moves.setdefault(move["task_id"], []).append(move)
    return moves


def chains(known, moves, expect):
    """Each move begins where the one before it ended, and the last one is where the task is."""
    for task_id, chain in moves.items():
        at = None
        for move in chain:
            expect(move["from_status"] == at, "%s: '%s' from %s, and it was %s" % (task_id, move["verb"], move["from_status"], at))
            at = move["to_status"]
        task = known.get(task_id)
        expect((task and task["status"]) == at, "%s: its history ends at %s" % (task_id, at))
        expect(task is None or chain[-1]["revision"] <= task["revision"], "%s: its revision is behind its history" % task_id)


def requests(here, expect):
    moved = {(move["request_id"], move["task_id"], move["revision"]) for move in here["task_history"] if move["request_id"]}
    answered = set()
    for request in here["task_requests"]:
        for one in json.loads(request["answer"]):
            answered.add((request["request_id"], one[0], one[1]))
    expect(answered == moved, "requests were answered %s, and moved %s" % (sorted(answered), sorted(moved)))


def schedules(here, expect):
    told = here["task_schedule_history"]
    ticks = [(entry["schedule_id"], entry["tick"]) for entry in told if entry["verb"] == "tick"]
    expect(len(ticks) == len(set(ticks)), "a tick came twice")
    for schedule in here["task_schedules"]:
        expect(schedule["revision"] == max(e["revision"] for e in told if e["schedule_id"] == schedule["id"]),
               "a schedule has another revision than its history")
        made = [t for t in here["tasks"] if (t["idempotency_key"] or "").startswith("schedule:%s:" % schedule["id"])]
        expect(len(made) == len([t for t in ticks if t[0] == schedule["id"]]), "a schedule has made other tasks than its history says")
