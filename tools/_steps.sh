# Sourced by the tools: run named steps and measure their time.
# shellcheck shell=bash

step_names=()
step_seconds=()
step_results=()

# step NAME COMMAND...: run the command, and record its duration and its result.
step() {
  local name=$1 begin=$EPOCHREALTIME status=0
  shift
  printf '\n==> %s\n' "$name"
  "$@" || status=$?
  step_names+=("$name")
  step_seconds+=("$(awk "BEGIN { printf \"%.1f\", $EPOCHREALTIME - $begin }")")
  step_results+=("$([ "$status" -eq 0 ] && echo ok || echo FAILED)")
  return "$status"
}

# Print one line for each step so far.
print_steps() {
  local i
  for i in "${!step_names[@]}"; do
    printf '  %-24s %8s s  %s\n' "${step_names[$i]}" "${step_seconds[$i]}" "${step_results[$i]}"
  done
}
