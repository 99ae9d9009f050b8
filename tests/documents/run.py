#!/usr/bin/env python3
"""run.py PROGRAM SOURCE [--update] [FILE...]: what the documents show is what happens.

Of each Markdown file under docs/ and the README:
- blocks of `console` run in one shell per file, in a fresh folder, with the program in front of PATH:
    $ command          a line that ends with a backslash goes on in the next one
    output             compared where any is shown; a line `…` stands for any lines
    $ command          # exits with 3
  `<!-- run: command -->` runs out of sight. Ids, times, revisions and hashes are compared by their form.
- blocks of `cpp` stand in a source file below examples/, line by line;
- links to files lead somewhere.
--update writes what happened into the blocks that show output, to be read and committed."""
import os
import pathlib
import re
import subprocess
import sys
import tempfile

FORMS = [
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}\b", "<id>"),
    (r'"eyJ[\w-]+"', "<cursor>"),
    (r"\b\d{13}@[a-z0-9]*", "<revision>"),
    (r"\b[0-9a-f]{64}\b", "<hash>"),
    (r"\b1\d{12}\b", "<ms>"),
    (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "<time>"),
    (r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
    (r"\b[0-9a-f]{8}\b", "<short id>"),
    (r"\btaskstore \d+\.\d+\.\d+ \(.*\)", "taskstore <version>"),
]
MARK = "\x01ended"


def formed(text):
    for form, name in FORMS:
        text = re.sub(form, name, text)
    return text.rstrip()


def matches(shown, happened):
    """Whether the lines are alike, `…` standing for any number of them."""
    parts, part = [], []
    for line in shown:
        if line.strip() == "…":
            parts.append(part)
            part = []
        else:
            part.append(formed(line))
    parts.append(part)
    text = [formed(line) for line in happened]
    if len(parts) == 1:
        return parts[0] == text
    if text[: len(parts[0])] != parts[0]:
        return False
    at, end = len(parts[0]), len(text) - len(parts[-1])
    if end < at or text[end:] != parts[-1]:
        return False
    for part in parts[1:-1]:
        while at + len(part) <= end and text[at : at + len(part)] != part:
            at += 1
        if at + len(part) > end:
            return False
        at += len(part)
    return True


class Shell:
    """One bash that remembers folders and variables from command to command."""

    def __init__(self, program, home):
        keep = {name: os.environ[name] for name in ("PATH", "TMPDIR") if name in os.environ}
        env = dict(keep, HOME=str(home), TASKSTORE_ACTOR="you", LC_ALL="C.UTF-8", TZ="UTC")
        env["PATH"] = str(pathlib.Path(program).resolve().parent) + ":" + env["PATH"]
        for who in ("AUTHOR", "COMMITTER"):
            env[f"GIT_{who}_NAME"], env[f"GIT_{who}_EMAIL"] = "you", "you@example.org"
        self.home = home
        (home / "project").mkdir()
        self.bash = subprocess.Popen(
            ["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, env=env, cwd=home / "project")

    def run(self, command):
        self.bash.stdin.write(f"{{ {command}\n}} </dev/null\nprintf '\\n{MARK} %d\\n' $?\n")
        self.bash.stdin.flush()
        lines = []
        for line in self.bash.stdout:
            if line.startswith(MARK):
                lines = "".join(lines)[:-1].replace(str(self.home), "/home/you").splitlines()
                return lines, int(line.split()[1])
            lines.append(line)
        raise RuntimeError(f"the shell ended in '{command}'")

    def close(self):
        self.bash.stdin.close()
        self.bash.wait()


def commands_of(block):
    """[command, lines shown] of a console block."""
    out, lines = [], iter(block)
    for line in lines:
        if line.startswith("$ "):
            command = line[2:]
            while command.endswith("\\"):
                command += "\n" + next(lines)
            out.append([command, []])
        elif out:
            out[-1][1].append(line)
        elif line.strip():
            raise ValueError(f"output before any command: {line}")
    for entry in out:
        while entry[1] and not entry[1][-1].strip():
            entry[1].pop()
    return out


def check_file(path, program, sources, update):
    failures, text, out, shell = [], path.read_text().split("\n"), [], None
    with tempfile.TemporaryDirectory() as scratch:
        at = 0
        while at < len(text):
            line = text[at]
            out.append(line)
            at += 1
            hidden = re.match(r"<!-- run: (.*) -->$", line)
            fence = re.match(r"```(console|cpp)$", line)
            if (hidden or (fence and fence[1] == "console")) and shell is None:
                shell = Shell(program, pathlib.Path(scratch))
            if hidden:
                happened, status = shell.run(hidden[1])
                if status != 0:
                    failures.append(f"{path}:{at}: '{hidden[1]}' ended with {status}: {happened}")
            if not fence:
                continue
            block, first = [], at
            while text[at] != "```":
                block.append(text[at])
                at += 1
            if fence[1] == "cpp":
                wanted = "\n".join(row.strip() for row in block if row.strip())
                if not any(wanted in source for source in sources):
                    failures.append(f"{path}:{first}: this code stands in no example")
                out += block
                continue
            for command, shown in commands_of(block):
                happened, status = shell.run(command)
                exits = re.search(r"# exits with (\d+)$", command)
                wanted = int(exits[1]) if exits else 0
                if status != wanted:
                    failures.append(f"{path}: '{command}' ended with {status}, not {wanted}: " + "\n".join(happened))
                if shown and not matches(shown, happened):
                    failures.append(f"{path}: '{command}' shows\n" + "\n".join(shown) + "\nand gave\n" + "\n".join(happened))
                    shown = happened
                out += ["$ " + command] + shown
        if shell is not None:
            shell.close()
    prose = re.sub(r"```.*?```", "", "\n".join(text), flags=re.S)
    for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", prose):
        if "://" not in link and not (path.parent / link).exists():
            failures.append(f"{path}: the link to {link} leads nowhere")
    if update:
        path.write_text("\n".join(out))
    return failures


def main():
    program, source = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    rest = sys.argv[3:]
    update = "--update" in rest
    named = [source / name for name in rest if name != "--update"]
    files = named or sorted(source.glob("docs/**/*.md")) + [source / "README.md"]
    sources = ["\n".join(row.strip() for row in example.read_text().split("\n") if row.strip())
               for example in source.glob("examples/**/*.cpp")]
    failures = []
    for path in files:
        failures += check_file(path, program, sources, update)
    for failure in failures:
        print(failure, file=sys.stderr)
    print(f"{len(files)} documents, {len(failures)} failures")
    sys.exit(1 if failures or not files else 0)


main()
