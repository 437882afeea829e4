# What `code/study` does besides steps, which sources this file: no record knows it.
#
# code/study env [LAYER]       the folder of an environment: steps (what steps import), tools (and what
#                              people's commands need; the default); on these two, dev (what tests and
#                              checks need) and lab (Jupyter)
# code/study exec COMMAND...   a command in tools
# code/study dev COMMAND...    a command in dev
# code/study lab COMMAND...    a command in lab
# code/study ...               the command line about a study
#
# The folder of an environment is named by its lock and those it builds on: a changed tools.lock
# leaves that of steps where it is.

tools=$cache/tools/$(cat "$code/requirements/steps.lock" "$code/requirements/tools.lock" | hash_of --stdin)
dev=$cache/dev/$(cat "$code/requirements/steps.lock" "$code/requirements/tools.lock" "$code/requirements/dev.lock" | hash_of --stdin)
lab=$cache/lab/$(cat "$code/requirements/steps.lock" "$code/requirements/tools.lock" "$code/requirements/lab.lock" | hash_of --stdin)
if [ "${1:-}" = env ]; then
    case ${2:-tools} in
        tools) printf '%s\n' "$tools" ;;
        steps) printf '%s\n' "$steps" ;;
        dev) printf '%s\n' "$dev" ;;
        lab) printf '%s\n' "$lab" ;;
        *)
            echo "error: code/study env knows steps, tools, dev and lab" >&2
            exit 2
            ;;
    esac
    exit 0
fi
need "$steps"
need "$tools"

# git-annex takes TMPDIR as it is, and fails once there is something to store.
case ${TMPDIR:-} in
    /*) [ -d "$TMPDIR" ] && [ -w "$TMPDIR" ] && [ -x "$TMPDIR" ] || unset TMPDIR ;;
    *) unset TMPDIR ;;
esac
if [ -z "${TMPDIR:-}" ] && ! [ -w /tmp ]; then
    if ! [ -w /var/tmp ]; then
        echo "error: no folder for temporary files may be written: TMPDIR, /tmp, /var/tmp" >&2
        echo "hint: export TMPDIR=/a/folder/that/you/may/write" >&2
        exit 3
    fi
    TMPDIR=/var/tmp
    export TMPDIR
fi
PATH=$tools/bin:$PATH # with links to what is in that of steps
case ${1:-} in
    exec)
        shift
        export PATH
        exec "$@"
        ;;
    dev)
        need "$dev"
        shift
        PATH=$dev/bin:$PATH
        export PATH
        exec "$@"
        ;;
    lab)
        need "$lab"
        shift
        PATH=$lab/bin:$PATH
        export PATH
        exec "$@"
        ;;
esac
export PATH
# As `python -P -m cordstudy`, but for a tree in a folder of any name.
start='import runpy, sys
sys.path.insert(0, sys.argv[1])
del sys.argv[1:3]
runpy.run_module("cordstudy", run_name="__main__", alter_sys=True)'
exec "$tools/bin/python" -P -c "$start" "$code/src" cordstudy "$@"
