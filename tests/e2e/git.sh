#!/usr/bin/env bash
# git and git-lfs, the real clients against git's own http-backend: what a route's `git` says and nothing more.
. "$(dirname "$0")/lib.sh"
BIG=1024 world_up
cat >"$T/policy.yaml" <<'YAML'
version: 1
egress:
  routes:
    - host: fetch.strange.test
      git: {fetch: true}
    - host: paths.strange.test        # matches do not open git, and git does not open other paths
      git: {fetch: true}
      matches: [{paths: [{value: /api}]}]
    - host: push.strange.test
      git: {fetch: true, push: true, repos: [git/org/open]}
    - host: pushonly.strange.test
      git: {push: true, repos: [git/org/open]}
    - host: none.strange.test
YAML
mkdir -p "$T/git/org" "$T/git/lfs"
for r in open closed; do
    cp -r "$T/git/repo.git" "$T/git/org/$r.git"
done
(
    cd "$T/seed" && for i in $(seq 300); do git update-ref "refs/heads/branch-$i" HEAD; done
    git push -q --all "$T/git/org/open.git"
) >/dev/null 2>&1
# A repository with an LFS object that a clone has to come for. Made without the filters that a system may have.
head -c 100000 /dev/urandom >"$T/object"
oid=$(sha256sum <"$T/object" | cut -c1-64)
cp "$T/object" "$T/git/lfs/$oid"
(
    export GIT_CONFIG_NOSYSTEM=1
    git clone -q "$T/git/repo.git" "$T/big" && cd "$T/big" || exit 1
    printf '*.bin filter=lfs diff=lfs merge=lfs -text\n' >.gitattributes
    printf 'version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 100000\n' "$oid" >a.bin
    git add -A && git -c user.name=t -c user.email=t@t commit -q -m big && git push -q "$T/git/repo.git" HEAD:refs/heads/lfs
) >/dev/null 2>&1 || not_ok "a repository with an LFS pointer"
chmod -R a+rwX "$T/git"
mkdir -m 777 "$T/out"
cat >"$T/cases.sh" <<'CASES'
cd "$1" || exit 1
export HOME=$1 GIT_TERMINAL_PROMPT=0 GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
run() { local n=$1; shift; timeout 60 "$@" >$n.out 2>$n.err </dev/null; echo $? >$n.status; }
url() { echo "https://$1.strange.test/git/$2.git"; }
for v in 0 1 2; do run clone$v git -c protocol.version=$v clone -q "$(url fetch repo)" clone$v; done
run shallow    git clone -q --depth 1 "$(url fetch org/open)" shallow
run deepen     git -C shallow fetch -q --unshallow
run partial    git clone -q --filter=blob:none --no-checkout "$(url fetch repo)" partial
run mirror     git clone -q --mirror "$(url fetch org/open)" mirror
run lsremote   git ls-remote "$(url fetch repo)"
run paths      git clone -q "$(url paths repo)" paths
run pathsapi   curl -sS https://paths.strange.test/api/x
run pathselse  curl -sS https://paths.strange.test/head
run none       git clone -q "$(url none repo)" none
run nonepage   curl -sS https://none.strange.test/head
commit() { git -C "$1" commit -q --allow-empty -m "$2"; }
commit clone2 one
run nopush     git -C clone2 push origin main
run nopush0    git -C clone2 -c protocol.version=0 push origin main
run open       git clone -q "$(url push org/open)" open
run closed     git clone -q "$(url push org/closed)" closed
commit open two; commit closed two
run pushopen   git -C open push -q origin main
head -c 3000000 /dev/urandom >open/file && git -C open add file && commit open three
run pushbig    git -C open -c http.postBuffer=1000 push -q origin main
run pushclosed git -C closed push origin main
run pushother  git -C open push "$(url push org/../org/closed)" main
run pushcase   git -C open push "$(url push ORG/open)" main
run pushonly   git -C open push -q "$(url pushonly org/open)" HEAD:refs/heads/pushonly
run pullonly   git ls-remote "$(url pushonly org/open)"
git lfs install --skip-repo >/dev/null 2>&1
run lfs        git clone -q -b lfs "$(url fetch repo)" lfs
head -c 50000 /dev/urandom >lfs/b.bin; git -C lfs add b.bin; commit lfs four
run lfspush    git -C lfs lfs push --object-id origin "$(git -C lfs lfs ls-files -l | awk '/b.bin/ {print $1}')"
run lfslocks   git -C lfs lfs lock a.bin
run lfsforged  curl -sS -H 'Content-Type: application/vnd.git-lfs+json' -d '{"operation":"download","operation":"upload","objects":[]}' "$(url fetch repo)/info/lfs/objects/batch"
run lfsescape  curl -sS -H 'Content-Type: application/vnd.git-lfs+json' -d '{"oper\u0061tion":"\u0075pload","objects":[]}' "$(url fetch repo)/info/lfs/objects/batch"
CASES
agent "$T/policy.yaml" bash "$T/cases.sh" "$T/out" >"$T/run.out" 2>&1 || not_ok "egressctl run" "$(cat "$T/run.out")"
o=$T/out
works() { [ "$(cat "$o/$1.status")" = 0 ] || { cat "$o/$1.err" "$o/$1.out"; return 1; }; }
# refused NAME REASON   the client failed and shows the reason
refused() { [ "$(cat "$o/$1.status")" != 0 ] && grep -q "$2" "$o/$1.err" || { cat "$o/$1.status" "$o/$1.err" "$o/$1.out"; return 1; }; }
answered() { grep -q "\"reason\":\"$2\"" "$o/$1.out" || { cat "$o/$1.err" "$o/$1.out"; return 1; }; }
for c in clone0 clone1 clone2 shallow deepen partial mirror lsremote; do check "fetch: $c" works $c; done
check "fetch: 300 branches and more" bash -c "[ \$(git --git-dir='$o/mirror' for-each-ref | wc -l) -ge 300 ]"
check "matches do not close git" works paths
check "...and git opens no other path" answered pathselse no_match
check "...while matches do" bash -c "! grep -q egress_denied '$o/pathsapi.out'"
check "no git without git" refused none '"reason":"git"\|egress_denied.*git'
check "...and the host's other pages are there" bash -c "grep -q 'GET /head' '$o/nonepage.out'"
check "a push where only fetch is allowed: refused, the client shows why" refused nopush git_push
check "...by the old protocol too" refused nopush0 git_push
check "a push to a repository of the route" works pushopen
check "...of 3 MB, in chunks" works pushbig
check "...arrived" bash -c "[ \"\$(git --git-dir='$T/git/org/open.git' rev-parse main)\" = \"\$(git --git-dir='$o/open/.git' rev-parse main)\" ]"
check "a push to another repository: refused, the client shows why" refused pushclosed git_push
check "...by a path that leads there" refused pushother 'git_push\|ambiguous_path'
check "...by another spelling" refused pushcase git_push
check "...never arrived" bash -c "[ \"\$(git --git-dir='$T/git/org/closed.git' rev-parse main)\" = \"\$(git -C '$T/seed' rev-parse main)\" ]"
check "push alone" works pushonly
check "...is no fetch" refused pullonly '"reason":"git"\|egress_denied.*git'
check "an LFS object comes with the clone" cmp "$T/object" "$o/lfs/a.bin"
check "an LFS upload is refused" refused lfspush 'Authorization error'
check "an LFS lock is refused" refused lfslocks 'Authorization error'
check "LFS: an operation twice" bash -c "grep -q egress_denied '$o/lfsforged.out'"
check "LFS: an operation in escapes" answered lfsescape git_push
check "no LFS object was added" bash -c "[ \$(ls '$T/git/lfs' | wc -l) = 1 ]"
check "the log has the refused push" logged 'e["event"]=="http" and e["verdict"]=="deny" and e["reason"]=="git_push"'
exit $FAILED
