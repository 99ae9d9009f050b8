#!/usr/bin/env bash
# `work --isolate` as people run it: what commands are kept from, what is told of it, and that nothing of a command is left
# when its worker or its guard is killed. What this system refuses has to be told; the rest of the promise holds without it.
. "$(dirname "$0")/begin_tasks.sh"
mkdir proj && cd proj && git init -q .
own() { ls "$TASKSTORE_HOME/isolated" 2>/dev/null | grep -v '[.]lock$'; }
# The processes that were begun with this number of seconds to sleep, wherever they went.
sleepers() { for p in /proc/[0-9]*; do { tr "\0" " " <"$p/cmdline" | grep -q "^sleep $1 "; } 2>/dev/null && echo "${p#/proc/}"; done; }

# What is had is told, in a line and as JSON, and each part is had or refused with its reason.
expect 0 taskstore work --drain --isolate; has "$out" "isolated: "; has "$out" "limits: core 0, files 4096"
expect 0 taskstore work --drain --isolate --json
got=$(json "$out" '" ".join(d["isolation"]["got"])')
same "$(json "$out" 'sorted(d["isolation"]["got"] + [r["part"] for r in d["isolation"]["refused"]])')" "['ipc', 'mount', 'pid', 'user', 'uts']"
same "$(json "$out" 'all(r["reason"] for r in d["isolation"]["refused"])')" True
parts() { case " $got " in *" $1 "*) ;; *) return 1 ;; esac; }
# Where something is refused, --strict does not begin.
if [ "$(json "$out" 'len(d["isolation"]["refused"])')" = 0 ]; then expect 0 taskstore work --drain --isolate --strict; else expect 7 taskstore work --drain --isolate --strict; fi

# No network, or no work.
id=$(add offline 'tail -n +3 /proc/net/dev | cut -d: -f1')
if taskstore work --once --isolate --no-network >"$scratch/out" 2>"$scratch/err"; then
  has "$(cat "$scratch/out")" network; has "$(show "$id" 'd["logs"].split()[-1:]')" "['lo']"
else
  same $? 7; has "$(cat "$scratch/err")" "refuses commands the namespace network"; expect 0 taskstore task rm "$id"
fi

# A folder, an environment, no privileges; the task on standard input as ever. Nothing of it stays but log and result.
id=$(add looks 'cat >/dev/null; pwd; echo "$HOME $TMPDIR"; env; grep NoNewPrivs /proc/self/status; echo "[1]" >"$TASKSTORE_TASK_RESULT"; echo x >"$TMPDIR/x"')
PGPASSWORD=hush AWS_SECRET_TOKEN=hush TASK_STORE_AUTH_TOKEN=hush KEPT=kept expect 0 taskstore work --once --isolate --keep-env KEPT
logs=$(show "$id" 'd["logs"]')
has "$logs" "isolated: "; has "$logs" "/isolated/$id"; has "$logs" "KEPT=kept"; has "$logs" "NoNewPrivs:	1"
lacks "$logs" hush; lacks "$logs" TASKSTORE_HOME
same "$(show "$id" 'd["status"], d["result"]')" "('completed', [1])"
same "$(ls -A "$TASKSTORE_HOME/isolated")" ""

# The store is not the command's: its own verbs find another one. With --share-store it is.
id=$(add without 'taskstore task complete --result "[7]" || exit 5' --max-attempts 1)
expect 0 taskstore work --once --isolate
same "$(show "$id" 'd["status"], d["exit_code"]')" "('failed', 5)"
id=$(add shared 'taskstore task complete --result "[7]" && exit 9')
expect 0 taskstore work --once --isolate --share-store
same "$(show "$id" 'd["status"], d["result"]')" "('completed', [7])"

# Elsewhere nothing is written, but where it is said.
mkdir open
id=$(add writes 'echo x >"$TASKSTORE_TASK_FOLDER/open/f"; echo x 2>/dev/null >"$TASKSTORE_TASK_FOLDER/closed"; true')
expect 0 taskstore work --once --isolate --writable open
[ -e open/f ] || bad "the folder that was named is not writable"
if parts mount; then [ ! -e closed ] || bad "another folder was written to"; fi
expect 3 taskstore work --once --isolate --writable nowhere

# Limits.
id=$(add limits 'ulimit -n; ulimit -t; ulimit -d; ulimit -c')
expect 0 taskstore work --once --isolate --limit-files 99 --limit-cpu 1500ms --limit-memory 1G
has "$(show "$id" 'd["logs"]')" "
99
2
1048576
0"
expect 2 taskstore work --isolate --limit-memory much; expect 2 taskstore work --isolate --limit-files 0
for option in --strict --no-network --share-store '--writable .' '--keep-env A' '--limit-files 5'; do
  expect 2 taskstore work $option; has "$err" "is for --isolate"
done
expect 2 taskstore work --isolate --keep-env A=b

# A time that is over reaches it, with TERM first.
id=$(add slow 'trap "echo told; exit 3" TERM; while :; do sleep 0.02; done' --timeout 300ms --max-attempts 1)
expect 0 taskstore work --once --isolate
same "$(show "$id" 'd["status"], d["error_class"]')" "('failed', 'timeout')"
has "$(show "$id" 'd["logs"]')" told

# Worker or guard is killed: nothing of the command is left when somebody else has the task.
for victim in worker both; do
  nap=100$RANDOM.$$
  id=$(add scattered "env -i setsid sh -c 'sleep $nap & sleep $nap' & setsid sleep $nap & sleep $nap" --lease 1h)
  "$TASKSTORE" work --isolate --worker w1 >/dev/null 2>&1 & worker=$!
  until_true '[ $(sleepers $nap | wc -l) = 4 ]'
  guard=$(ps -o pid= --ppid $worker | tr -d ' ')
  if [ $victim = both ]; then kill -STOP $worker; kill -9 $guard $worker; else kill -9 $worker; fi
  wait $worker 2>/dev/null
  until_true '[ "$(taskstore task claim --worker w2 --quiet)" = "$id" ]'
  if [ $victim = worker ] || parts pid; then same "$(sleepers $nap)" ""; else kill -9 $(sleepers $nap); fi
  expect 0 taskstore task complete "$id"
  expect 0 taskstore work --drain --isolate --quiet
  same "$(own)" ""
done
finish
