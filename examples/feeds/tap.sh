#!/bin/sh
# A stand-in for a tap of the Singer protocol: each run tells the rates of one day, the day after that of the state that it
# is given, and the state for the next run.
day=1
while [ $# -gt 0 ]; do
  if [ "$1" = --state ]; then
    day=$(sed 's/.*"day":\([0-9]*\).*/\1/' "$2")
  fi
  shift
done
echo '{"type": "SCHEMA", "stream": "rates", "schema": {}, "key_properties": ["day", "code"]}'
for code in CHF GBP USD; do
  echo "{\"type\": \"RECORD\", \"stream\": \"rates\", \"record\": {\"day\": $day, \"code\": \"$code\"}}"
done
echo "{\"type\": \"STATE\", \"value\": {\"day\": $((day + 1))}}"
