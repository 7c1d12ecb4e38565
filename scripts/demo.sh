#!/bin/sh
# Trains a network on real handwritten digits, from the upload to predictions, and shows the
# commands with which a user would do the same.
#
#   scripts/demo.sh           stops the server at the end (on a terminal: when you press Enter)
#   scripts/demo.sh --keep    leaves it running
set -eu
cd "$(dirname "$0")/.."

keep=
case "${1:-}" in
"") ;;
--keep) keep=yes ;;
*)
    echo "usage: scripts/demo.sh [--keep]" >&2
    exit 2
    ;;
esac

unseen=20 # lines at the end of the file that the service never gets to see in training

scripts/setup.sh demo
cmake --preset release -DBUILD_TESTING=OFF >/dev/null
echo "Building …"
cmake --build --preset release >build/release/build.log 2>&1 || {
    tail -n 30 build/release/build.log >&2
    exit 1
}

folder=$(mktemp -d "${TMPDIR:-/tmp}/backpropd-demo.XXXXXX")
: >"$folder/out" # so that it is there to be read, however late the server starts
build/release/bin/backpropd --data "$folder/data" --listen 127.0.0.1:0 \
    >>"$folder/out" 2>"$folder/log" </dev/null &
server=$!
stop_server() {
    kill "$server" 2>/dev/null && wait "$server" 2>/dev/null || true
    rm -rf "$folder"
}
trap stop_server EXIT
trap 'exit 130' INT TERM

url=
for _ in $(seq 100); do
    url=$(sed -n 's/^backpropd listening on //p' "$folder/out")
    [ -z "$url" ] || break
    if ! kill -0 "$server" 2>/dev/null; then
        cat "$folder/log" >&2
        exit 1
    fi
    sleep 0.05
done
[ -n "$url" ] || { echo "demo.sh: the server did not start" >&2; exit 1; }

step() { printf '\n\033[1m%s\033[0m\n' "$1"; }
show() { printf '  $ %s\n' "$1"; }
fail() {
    echo "demo.sh: $1" >&2
    exit 1
}

step "1. The server runs"
show "backpropd --data $folder/data --listen 127.0.0.1:0"
echo "  $url (its dashboard is there, too)"

step "2. Upload a dataset: 8x8 pictures of handwritten digits, one a line, the digit last"
show "head -n -$unseen examples/digits.csv | curl --data-binary @- '$url/v1/datasets?name=digits'"
head -n "-$unseen" examples/digits.csv >"$folder/digits.csv"
curl -sS --fail-with-body --data-binary "@$folder/digits.csv" -H 'Content-Type: text/csv' \
    "$url/v1/datasets?name=digits" >"$folder/dataset.json" || fail "$(cat "$folder/dataset.json")"
dataset=$(jq -r .id "$folder/dataset.json")
jq -r '"  \(.id): \(.rows.train) rows, \(.columns | length) columns"' "$folder/dataset.json"

step "3. Post a job: the network and how to train it"
show "sed s/DATASET_ID/$dataset/ examples/digits-mlp.json | curl -d @- $url/v1/jobs"
sed "s/DATASET_ID/$dataset/" examples/digits-mlp.json >"$folder/spec.json"
curl -sS --fail-with-body -H 'Content-Type: application/json' -d "@$folder/spec.json" \
    "$url/v1/jobs" >"$folder/job.json" || fail "$(cat "$folder/job.json")"
job=$(jq -r .id "$folder/job.json")
echo "  $job"

step "4. Watch it"
show "curl $url/v1/jobs/$job"
while :; do
    curl -sS --fail-with-body "$url/v1/jobs/$job" >"$folder/job.json" || fail "$(cat "$folder/job.json")"
    line=$(jq -r '"\(.status)  epoch \(.progress.epoch)/\(.progress.epochs)" +
        "  loss \(.metrics.latest.loss // 0 | . * 1e4 | round / 1e4)" +
        "  val_accuracy \(.metrics.latest.val_accuracy // 0 | . * 1e4 | round / 1e4)" +
        "  \(.progress.samples_per_second // 0 | round) samples/s"' "$folder/job.json")
    if [ -t 1 ]; then printf '\r\033[K  %s' "$line"; else printf '  %s\n' "$line"; fi
    [ "$(jq .terminal "$folder/job.json")" = false ] || break
    sleep 0.2
done
[ ! -t 1 ] || echo
[ "$(jq -r .status "$folder/job.json")" = succeeded ] ||
    fail "the job did not succeed: $(jq -c .error "$folder/job.json")"
jq -r '"  \(.stop_reason) after epoch \(.progress.epoch); best epoch \(.metrics.best.epoch)",
    "  accuracy on \(.spec.split.fractions.test * 100 | round) % of the rows that were held out: \(.metrics.test.accuracy)"' \
    "$folder/job.json"
jq -e '.metrics.test.accuracy >= 0.96' "$folder/job.json" >/dev/null ||
    fail "the accuracy is below 0.96"

step "5. Take the weights away"
model=$(jq -r .model "$folder/job.json")
show "curl -o digits.safetensors '$url/v1/models/$model/weights?format=safetensors'"
curl -sS --fail -o "$folder/digits.safetensors" \
    "$url/v1/models/$model/weights?format=safetensors" || fail "no weights came"
echo "  $(wc -c <"$folder/digits.safetensors") bytes, weights_sha256 $(jq -r .weights_sha256 "$folder/job.json")"

step "6. Ask it about digits that it never saw"
show "curl -d '{\"rows\": [{\"c0\": 0, \"c1\": 0, …}]}' $url/v1/models/$model/predict"
tail -n 4 examples/digits.csv >"$folder/asked.csv"
jq -R -s '{rows: [split("\n")[] | select(. != "") | split(",") | .[0:64] | to_entries |
    map({key: "c\(.key)", value: (.value | tonumber)}) | from_entries]}' \
    "$folder/asked.csv" >"$folder/rows.json"
curl -sS --fail-with-body -H 'Content-Type: application/json' -d "@$folder/rows.json" \
    "$url/v1/models/$model/predict" >"$folder/answer.json" || fail "$(cat "$folder/answer.json")"
jq -r '.predictions[] | "\(.label) \(.probabilities[.label])"' "$folder/answer.json" >"$folder/labels"
awk -F, -v labels="$folder/labels" '
    {
        for (y = 0; y < 8; y++)
            for (x = 1; x <= 8; x++) {
                shade = substr(" .:-=+*#@", int($(y * 8 + x) / 2) + 1, 1)
                picture[y] = picture[y] shade shade
            }
        for (y = 0; y < 8; y++)
            picture[y] = picture[y] "   "
        getline answer < labels
        split(answer, part, " ")
        caption = caption sprintf("it is %s, says %s (%2.0f%%) ", $65, part[1], part[2] * 100)
    }
    END {
        for (y = 0; y < 8; y++)
            print "  " picture[y]
        print "  " caption
    }' "$folder/asked.csv"

echo
if [ -n "$keep" ]; then
    trap - EXIT
    echo "The server goes on at $url. To stop it: kill $server"
    echo "Its data is in $folder/data."
elif [ -t 0 ]; then
    printf 'The server runs at %s. Press Enter to stop it (scripts/demo.sh --keep leaves it running). ' "$url"
    read -r _ || true
else
    echo "The server stops now. To keep it: scripts/demo.sh --keep"
    echo "To start one of your own: build/release/bin/backpropd --data ./data"
fi
