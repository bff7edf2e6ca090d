//! Pods, before a kubelet whose answers a test decides.

use std::{path::Path, sync::Arc, time::Duration};

use carnet_agent::{Attestation, AttestationLimits, Kubelet, Kubernetes, Processes};
use carnet_core::{Error, Files, HttpErrorKind, MemoryFiles, NewFile, ScriptedHttp, replace_files};
use carnet_net::Peer;
use serde_json::{Value, json};

const POD: &str = "2c48913c-b29f-11e7-9350-020968147796";

fn id(digit: char) -> String {
    digit.to_string().repeat(64)
}

fn pods() -> Value {
    let status = |name: &str, digit| {
        json!({ "name": name, "image": format!("registry/{name}:1"),
            "imageID": format!("docker-pullable://registry/{name}@sha256:{}", id(digit)),
            "containerID": format!("containerd://{}", id(digit)) })
    };
    json!({ "kind": "PodList", "items": [
        { "metadata": { "name": "other", "namespace": "default", "uid": "other" }, "spec": {}, "status": {} },
        {
            "metadata": { "name": "api-0", "namespace": "pay", "uid": POD, "labels": { "app": "api", "odd:key": "v" },
                "ownerReferences": [{ "kind": "ReplicaSet", "name": "api", "uid": "u1" }] },
            "spec": { "serviceAccountName": "payer", "nodeName": "node-1" },
            "status": { "containerStatuses": [status("main", 'a'), status("side", 'b')],
                "initContainerStatuses": [status("init", 'c')],
                "ephemeralContainerStatuses": [status("debug", 'd')] }
        },
        { "metadata": { "name": "new", "namespace": "x", "uid": "new", "labels": null }, "status": { "containerStatuses": null } }
    ] })
}

fn kubelet() -> Kubelet {
    Kubelet {
        pods: "https://127.0.0.1:10250/pods".parse().unwrap(),
        token: Some("/token".into()),
        ca: Some("/ca".into()),
        patience: Duration::from_secs(2),
        pause: Duration::from_millis(500),
    }
}

fn files() -> Arc<dyn Files> {
    let files = MemoryFiles::default();
    files.put("/token", "s3cr3t\n");
    files.put("/ca", "PEM");
    Arc::new(files)
}

/// What a process in the container gets, with this path of its control group.
async fn attest_at(http: &Arc<ScriptedHttp>, cgroup: &str) -> Result<Vec<String>, Error> {
    let folder = tempfile::tempdir().unwrap();
    let put =
        |name: &str, text: &str| replace_files(&[NewFile::new(folder.path().join("7").join(name), text)]).unwrap();
    std::fs::create_dir(folder.path().join("7")).unwrap();
    put("stat", "7 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 100 1 2 3");
    put("status", "Uid:\t0\t1\t0\t0\nGid:\t0\t1\t0\t0\nGroups:\t\n");
    put("cgroup", &format!("0::{cgroup}\n"));
    let attestor = Kubernetes::new(kubelet(), Arc::clone(http) as _, files());
    attest(attestor, folder.path()).await
}

async fn attest(attestor: Kubernetes, root: &Path) -> Result<Vec<String>, Error> {
    let limits = AttestationLimits::default();
    let attestation = Attestation::new(vec![Arc::new(attestor)], Processes::at(root), limits);
    let peer = Peer { pid: Some(7), uid: 1, gid: 1, pidfd: None, pidfd_is_peer: false };
    let found = attestation.attest(&peer).await.map_err(|error| Arc::into_inner(error).unwrap())?;
    Ok(found.iter().map(ToString::to_string).collect())
}

fn path(pod: &str, digit: char) -> String {
    format!("/kubepods.slice/kubepods-pod{}.slice/cri-containerd-{}.scope", pod.replace('-', "_"), id(digit))
}

#[tokio::test]
async fn a_container_has_the_selectors_of_its_pod_and_its_own() {
    let http = Arc::new(ScriptedHttp::default().answer(200, pods().to_string()));
    let mut found = attest_at(&http, &path(POD, 'a')).await.unwrap();
    let image = |name: &str, digit| {
        let digest = format!("registry/{name}@sha256:{}", id(digit));
        [format!("registry/{name}:1"), format!("docker-pullable://{digest}"), digest]
    };
    let mut wanted: Vec<String> = [
        "ns:pay",
        "sa:payer",
        "pod-name:api-0",
        "node-name:node-1",
        "pod-label:app:api",
        "pod-label:odd:key:v",
        "pod-owner:ReplicaSet:api",
        "pod-owner-uid:ReplicaSet:u1",
        "pod-image-count:2",
        "pod-init-image-count:1",
        "container-name:main",
    ]
    .map(String::from)
    .to_vec();
    wanted.push(format!("pod-uid:{POD}"));
    wanted.extend(image("main", 'a').map(|image| format!("container-image:{image}")));
    wanted.extend(image("main", 'a').map(|image| format!("pod-image:{image}")));
    wanted.extend(image("side", 'b').map(|image| format!("pod-image:{image}")));
    wanted.extend(image("init", 'c').map(|image| format!("pod-init-image:{image}")));
    let mut wanted: Vec<String> = wanted.into_iter().map(|one| format!("k8s:{one}")).collect();
    wanted.sort();
    found.sort();
    assert_eq!(found, wanted);
    let request = http.requests().remove(0);
    assert_eq!(request.headers["authorization"], "Bearer s3cr3t");
    assert_eq!(request.ca_pem.as_deref(), Some(b"PEM".as_slice()));
}

#[tokio::test]
async fn init_and_ephemeral_containers_are_found_too() {
    for (digit, name) in [('c', "init"), ('d', "debug")] {
        let http = Arc::new(ScriptedHttp::default().answer(200, pods().to_string()));
        let found = attest_at(&http, &path(POD, digit)).await.unwrap();
        assert!(found.contains(&format!("k8s:container-name:{name}")), "{found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_not_listed_yet_is_waited_for() {
    let empty = json!({ "items": null }).to_string();
    let script = ScriptedHttp::default().answer(200, empty.clone()).answer(200, empty.clone());
    let http = Arc::new(script.answer(200, pods().to_string()));
    let found = attest_at(&http, &path(POD, 'a')).await.unwrap();
    assert!(found.contains(&"k8s:ns:pay".to_owned()));
    assert_eq!(http.requests().len(), 3);
    let script = (0..9).fold(ScriptedHttp::default(), |script, _| script.answer(200, empty.clone()));
    let http = Arc::new(script);
    attest_at(&http, &path(POD, 'a')).await.unwrap_err();
    let asked = http.requests().len();
    assert!((3..=5).contains(&asked), "asked {asked} times within two seconds");
}

#[tokio::test(start_paused = true)]
async fn rejects_a_container_that_another_pod_lists() {
    let script = (0..9).fold(ScriptedHttp::default(), |script, _| script.answer(200, pods().to_string()));
    let other = POD.replace('2', "3");
    attest_at(&Arc::new(script), &path(&other, 'a')).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_kubelet_that_refuses_or_is_not_there_is_an_error() {
    for script in [
        ScriptedHttp::default().answer(401, ""),
        ScriptedHttp::default().answer(403, ""),
        ScriptedHttp::default().answer(500, ""),
        ScriptedHttp::default().answer(200, "{"),
        ScriptedHttp::default().fail(HttpErrorKind::Connect),
    ] {
        let http = Arc::new(script);
        attest_at(&http, &path(POD, 'a')).await.unwrap_err();
        assert_eq!(http.requests().len(), 1);
    }
}

#[tokio::test]
async fn a_process_without_a_pod_has_no_selectors_and_the_kubelet_is_not_asked() {
    let http = Arc::new(ScriptedHttp::default());
    for cgroup in ["/system.slice/api.service".to_owned(), format!("/docker/{}", id('a'))] {
        assert!(attest_at(&http, &cgroup).await.unwrap().is_empty());
    }
    assert!(http.requests().is_empty());
}
