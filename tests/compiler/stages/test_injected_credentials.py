"""Credentials that Tekton would take from a ServiceAccount are refused, if the files show them."""

RUN = """\
apiVersion: tekton.dev/v1
kind: TaskRun
metadata: {name: t}
spec:
  serviceAccountName: builder
  taskSpec: {steps: [{name: s, image: alpine, command: [echo]}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: ACCOUNT}
secrets:
- name: plain
- name: key
---
apiVersion: v1
kind: Secret
metadata: {name: plain}
---
apiVersion: v1
kind: Secret
type: kubernetes.io/ssh-auth
metadata: {name: key, annotations: {tekton.dev/git-0: example.com}}
"""


def test_secret_that_tekton_would_use_as_credentials(problems):
    (problem,) = problems(RUN.replace("ACCOUNT", "builder"))
    assert problem == (
        "p.yaml:13:3: secrets[1]: Tekton would put the credentials of Secret 'key' into the home of every Step, which "
        "monopod does not do; bind the Secret as a Workspace, and use it from there"
    )


def test_other_service_accounts_do_not_matter(problems):
    assert problems(RUN.replace("ACCOUNT", "other")) == []
