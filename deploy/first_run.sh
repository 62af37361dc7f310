# shellcheck shell=bash
# Runs the schedule once, and prints the report.

# The schedule itself is run, so that every link of the chain is tried as it will be each hour: its token, the function,
# the bucket, the key. The report comes from the database, where each run leaves it: for that the key is enough, and
# whoever deploys needs no right to call the function.
run_once() {
  local trigger=(gcloud scheduler jobs run "$job" "--location=$region" "--project=$project")
  step "Running it once"
  ask STATE gcloud scheduler jobs describe "$job" "--location=$region" '--format=value(state)' "--project=$project"
  if [ -n "$dry_run" ]; then
    show "${trigger[@]}"
    return
  fi
  ran=''
  if [ "$answer" = PAUSED ]; then
    say "  no: somebody has stopped the schedule, and it stays so. To start it again:"
    say "    gcloud scheduler jobs resume $job --location=$region --project=$project"
    return
  fi
  wait_for_report "${trigger[@]}"
}

# Up to 5 minutes until a run shows, which is time for the retries; and as long as one is running, up to half an hour.
wait_for_report() {
  local before waited=0 silent=0
  look_at_database
  while [ "$running" = yes ] && [ "$waited" -lt 1800 ]; do
    # Its report would be taken for that of ours.
    if [ "$waited" = 0 ]; then say "  (waiting for the run that is in progress)"; fi
    wait_a_little
  done
  before=$last_run waited=0
  run_patiently "$@"
  while [ "$waited" -lt 1800 ] && [ "$silent" -lt 300 ]; do
    wait_a_little
    silent=$((silent + 10))
    if [ "$last_run" != "$before" ]; then
      ran=1
      print_report
      return
    fi
    if [ "$running" = yes ]; then silent=0; fi
  done
  ask STATUS gcloud scheduler jobs describe "$job" "--location=$region" \
    '--format=value(lastAttemptTime,status.code,status.message)' "--project=$project"
  end_badly "everything is deployed, but no run has come to its end (the database's last answer: $status; the schedule's last attempt: ${answer:-none})${rotate:+; the old key is not disabled}" \
    "gcloud functions logs read $sync_function --gen2 --region=$region --project=$project"
}

wait_a_little() {
  sleep 10
  waited=$((waited + 10))
  look_at_database
}

# What was known before stays, when a call fails: the next one may not.
look_at_database() {
  status=$(call_database) || status='no answer'
  if [ "$status" = 200 ]; then read_database || true; fi
}

print_report() {
  local fix
  print_last_report
  case $outcome in
    ok) say "  ok: everything in storage is in the tables" ;;
    partial) say "  partial: some novels are refused, held or left over; the report above names them" ;;
    *)
      fix='fix it'
      # A bucket of others, or one that crawlers have not reached yet.
      if grep -Fq 'there is nothing under gs://' "$scratch/database"; then fix="bring the novels there: $(bring_novels)"; fi
      end_badly "everything is deployed, but the run ended as '$outcome'; the report above has the reason${rotate:+; the old key is not disabled}" \
        "$fix; then: gcloud scheduler jobs run $job --location=$region --project=$project"
      ;;
  esac
}

# Only what is no longer needed, and only when the new key has been seen to work.
disable_old_keys() {
  if [ -z "$rotate" ]; then return; fi
  step "Old keys"
  if [ -n "$dry_run" ]; then
    remark="\$OLD_KEY_VERSION, if the run came to its end"
    show gcloud secrets versions list "$secret" '--format=value(name.basename(),state)' "--project=$project"
    show gcloud secrets versions disable "\$OLD_KEY_VERSION" "--secret=$secret" "--project=$project"
    return
  fi
  local version commands=''
  run gcloud secrets versions list "$secret" '--format=value(name.basename(),state)' "--project=$project"
  # Not $stored_version: where a cut rotation goes on, that is the new one.
  for version in $(enabled_versions); do
    if [ "$version" = "$key_version" ]; then continue; fi
    if [ -z "$ran" ]; then
      commands="$commands${commands:+ && }gcloud secrets versions disable $version --secret=$secret --project=$project"
      continue
    fi
    run gcloud secrets versions disable "$version" "--secret=$secret" "--project=$project"
    say "  version $version is disabled"
  done
  if [ -z "$ran" ]; then
    end_badly "the new key is in use, but no run has shown that it works: the old one is not disabled" \
      "start the schedule, and after a run: $commands"
  fi
  say "  now delete the old key in Supabase's settings: until then it still opens the database"
}

bring_novels() { show gcloud storage rsync --recursive storage/novels "$storage"; }

# All is made, and one thing is left to be fixed: whoever fixes it needs to know the addresses.
end_badly() {
  say_goodbye
  say ""
  die "$@"
}

say_goodbye() {
  say ""
  if [ -n "$dry_run" ]; then say "Would be deployed: $storage → $url"; else say "Deployed: $storage → $url"; fi
  say "To open the status page, and then http://localhost:8080:"
  say "    gcloud run services proxy $status_function --region=$region --project=$project --port=8080"
  say "To call the routes (whoever calls needs roles/run.invoker; an owner of the project has it):"
  say "    curl -H \"Authorization: Bearer \$(gcloud auth print-identity-token)\" $status_url$ROUTES/novels/status"
  say "    curl -X POST -H \"Authorization: Bearer \$(gcloud auth print-identity-token)\" $sync_url$ROUTES/novels"
  say "To bring a folder into the bucket:"
  say "    $(bring_novels)"
  say "To read what the sync logs:"
  say "    gcloud functions logs read $sync_function --gen2 --region=$region --project=$project"
  if [ -n "$events$fanout" ]; then
    say "To read what became of single novels, and to look at messages that could not be delivered:"
    say "    gcloud functions logs read $events_function --gen2 --region=$region --project=$project"
    say "    gcloud pubsub subscriptions pull $dead_topic --limit=20 --project=$project"
  fi
}
