#!/bin/sh
# Runs a Pipeline as a Job of a cluster and follows it to its end:
#
#     monopod-job.sh NAMESPACE OPTION...        (with options of `monopod compile`)
#
# Exit codes: 0 the run succeeded, 1 it failed or could not be made, 2 the input is wrong, 130 it was cancelled: by a
# signal, on which the Job is deleted and its Steps are asked to stop.
set -eu
namespace=$1
shift

monopod compile --kind Job --ttl 24h --namespace "$namespace" --output monopod-job.yaml "$@"
created=$(kubectl create --namespace "$namespace" --filename monopod-job.yaml --output name)
job=$(printf '%s\n' "$created" | grep '^job')
printf '%s\n' "$job" > monopod-job.name
printf 'created %s in %s\n' "$job" "$namespace"
waiting=
trap 'kill $waiting 2>/dev/null || true; kubectl delete --namespace "$namespace" "$job" --wait=false; exit 130' HUP INT TERM

# In the background, since a trap waits for what runs in the foreground. A log that breaks off does not end the run.
kubectl logs --namespace "$namespace" --follow "$job" --container coordinator --pod-running-timeout 15m &
waiting=$!
wait $waiting || true

while :; do
    state=$(kubectl get --namespace "$namespace" "$job" --output 'jsonpath={.status.conditions[?(@.status=="True")].type}')
    case " $state " in
        *" Complete "*) exit 0 ;;
        *" Failed "*) exit 1 ;;
    esac
    sleep 2 &
    waiting=$!
    wait $waiting
done
