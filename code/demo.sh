#!/bin/sh
# Clone the repository ($1) into a study folder ($2) and run the phantom study there, $3 steps
# at a time. Safe to repeat: a study that is there goes on from where it is.
set -eu
repository=$1 study=$2 jobs=$3
PATH=$("$repository/code/study" env)/bin:$PATH
export PATH
if [ ! -e "$study/.git" ]; then
    datalad -l error clone "$repository" "$study"
elif ! git -C "$study" merge-base --is-ancestor "$(git -C "$repository" rev-parse HEAD)" HEAD; then
    echo "note: $study was cloned from another commit of $repository and stays at it;"
    echo "      STUDY=folder makes a new one"
fi
exec "$study/code/study" run --jobs "$jobs"
