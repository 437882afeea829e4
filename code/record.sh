#!/bin/sh
# Record what is stale of the phantom study into the branch that is checked out here, $1 steps at a
# time. Called by `code/study exec`; CONTRIBUTING.md says when.
#
# Records are made in a clone, .cordstudy/record, and the branch is brought to them by fast-forward,
# so that this checkout never becomes an annex, in which plain git would need git-annex. The clone
# stays: it has the content that the next stale step reads. Safe to repeat.
set -eu
cd -- "$(dirname -- "$0")/.."
repository=$(pwd -P) jobs=$1
clone=$repository/.cordstudy/record
real=$repository/../shared/real-mri
say() {
    printf '%s\n' "== $*"
}
fail() {
    printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
    exit 1
}
ended() {
    code=$?
    [ "$code" = 0 ] || echo "nothing of $branch was changed; what was done is kept in $clone" >&2
}
branch=$(git symbolic-ref -q --short HEAD) ||
    fail "HEAD is detached: there is no branch to record into" "git switch main"
dirty=$(git status --porcelain --untracked-files=all --ignore-submodules=all)
[ -z "$dirty" ] || fail "what is not committed would not be what ran: $(echo "$dirty" | head -n 1)" \
    "git commit or git stash, then again"
trap ended EXIT

if [ ! -e "$clone/.git" ]; then
    say "cloning $repository to $clone"
    mkdir -p "$(dirname "$clone")"
    git clone -q --no-tags "$repository" "$clone"
fi
# the checkout's own repository, whatever the clone was made of, and as who commits here
git -C "$clone" config remote.origin.url "$repository"
for key in user.name user.email; do
    if value=$(git config "$key"); then git -C "$clone" config "$key" "$value"; fi
done

while :; do
    git -C "$clone" reset -q --hard # what was being written when it was stopped is written again
    git -C "$clone" fetch -q --no-tags origin "$branch"
    if ! git -C "$clone" merge-base --is-ancestor FETCH_HEAD HEAD; then
        say "bringing the clone to $branch, by a merge where both have moved"
        git -C "$clone" merge -q -m "chore: join $branch, which moved on while it was recorded" FETCH_HEAD
    fi
    say "setting the clone up"
    "$clone/code/study" setup --recompute --jobs "$jobs"
    say "recording what is stale"
    "$clone/code/study" run --jobs "$jobs"
    say "writing the recorded results into the documents"
    if [ -d "$real" ]; then
        "$clone/code/study" written --real "$real"
    else # the table of real images is then as it was, and a test tells where that is too old
        "$clone/code/study" written
    fi
    if [ -n "$(git -C "$clone" status --porcelain --ignore-submodules=all)" ]; then
        git -C "$clone" add code/docs # a picture may be new
        git -C "$clone" commit -q -a -m "docs: write the recorded results"
    fi
    say "bringing the carried content up to date"
    "$clone/code/study" carried --update
    say "auditing the whole history"
    "$clone/code/study" audit --all
    "$clone/code/study" status
    git fetch -q --no-tags "$clone" HEAD
    recorded=$(git rev-parse FETCH_HEAD)
    git merge-base --is-ancestor HEAD "$recorded" && break
    say "$branch moved meanwhile"
done
[ "$(git symbolic-ref -q --short HEAD)" = "$branch" ] ||
    fail "another branch than $branch is checked out by now" "git switch $branch, then again"
if [ "$(git rev-parse HEAD)" = "$recorded" ]; then
    say "nothing was stale: $branch is as it was"
else
    git merge -q --ff-only "$recorded"
    say "$branch is at $(git rev-parse --short "$recorded"): git log @{1}.. shows what is new"
fi
