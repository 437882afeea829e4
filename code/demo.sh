#!/bin/sh
# Clone the repository that this file is in to a study folder ($1, below the repository where it is
# relative; demo/ where it is empty) and make the recorded phantom study again there, $2 steps at a
# time, with a verdict on each. Safe to repeat: a study that is there goes on from where it is.
# Called by `code/study exec`.
set -eu
cd -- "$(dirname -- "$0")/.."
repository=$(pwd -P) jobs=$2
case $1 in
    /*) study=$1 ;;
    *) study=$repository/${1:-demo} ;;
esac
if [ ! -e "$study/.git" ]; then
    datalad -l error clone "$repository" "$study"
elif ! git -C "$study" merge-base --is-ancestor "$(git -C "$repository" rev-parse HEAD)" HEAD; then
    echo "note: $study was cloned from another commit of $repository and stays at it;"
    echo "      STUDY=folder makes a new one"
fi
if ! "$study/code/study" setup --recompute --jobs "$jobs"; then
    # a machine of another kind makes other phantoms: the study is made on those, in the clone only
    "$study/code/study" inputs pin
    "$study/code/study" setup --recompute --jobs "$jobs"
fi
exec "$study/code/study" reproduce --jobs "$jobs"
