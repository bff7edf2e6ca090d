//! A kubelet's folder, an agent's folder, a driver between them and a client.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use carnet_csi::{DEFAULT_DRIVER_NAME, Driver, FolderId, Mounted, Mounts, Place, Settings};
use carnet_grpc::{
    csi::v1::{
        NodePublishVolumeRequest, NodeUnpublishVolumeRequest, VolumeCapability,
        identity_client::IdentityClient,
        node_client::NodeClient,
        volume_capability::{AccessMode, AccessType, MountVolume, access_mode::Mode},
    },
    tonic::{
        Code, Status,
        transport::{Channel, Endpoint},
    },
};

/// Settings of a driver whose folders are all below this one.
pub(crate) fn settings(folder: &Path) -> Settings {
    Settings {
        driver_name: DEFAULT_DRIVER_NAME.to_owned(),
        node_id: "node-1".to_owned(),
        endpoint: folder.join("csi.sock"),
        workload_socket: folder.join("agent/api.sock"),
        kubelet: folder.join("kubelet"),
    }
}

/// A driver that runs, and a client of it.
pub(crate) struct Stage {
    pub(crate) folder: PathBuf,
    pub(crate) channel: Channel,
    _driver: Driver,
}

impl Stage {
    /// Starts one in a folder that is there.
    pub(crate) async fn start(folder: &Path, mounts: Arc<dyn Mounts>) -> Self {
        let stage = Self::folders(folder);
        fs::create_dir(folder.join("agent")).unwrap();
        fs::create_dir_all(stage.parent().unwrap()).unwrap();
        let settings = settings(folder);
        let address = format!("unix://{}", settings.endpoint.display());
        let driver = Driver::start(settings, mounts).unwrap();
        let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
        Self { folder: folder.to_owned(), channel, _driver: driver }
    }

    /// The path of the volume that tests publish, as the kubelet names such paths.
    fn folders(folder: &Path) -> PathBuf {
        folder.join("kubelet/pods/uid/volumes/kubernetes.io~csi/spiffe/mount")
    }

    pub(crate) fn target(&self) -> PathBuf {
        Self::folders(&self.folder)
    }

    pub(crate) fn agent(&self) -> PathBuf {
        self.folder.join("agent")
    }

    pub(crate) fn node(&self) -> NodeClient<Channel> {
        NodeClient::new(self.channel.clone())
    }

    pub(crate) fn identity(&self) -> IdentityClient<Channel> {
        IdentityClient::new(self.channel.clone())
    }

    /// What the kubelet sends for an inline volume.
    pub(crate) fn request(&self) -> NodePublishVolumeRequest {
        let context = [
            ("csi.storage.k8s.io/ephemeral", "true"),
            ("csi.storage.k8s.io/pod.name", "web-0"),
            ("csi.storage.k8s.io/pod.namespace", "shop"),
        ];
        NodePublishVolumeRequest {
            volume_id: "csi-0123456789abcdef".to_owned(),
            target_path: self.target().display().to_string(),
            volume_capability: Some(VolumeCapability {
                access_mode: Some(AccessMode { mode: Mode::SingleNodeWriter.into() }),
                access_type: Some(AccessType::Mount(MountVolume::default())),
            }),
            readonly: true,
            volume_context: context.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        }
    }

    pub(crate) async fn publish(&self, request: NodePublishVolumeRequest) -> Result<(), Status> {
        self.node().node_publish_volume(request).await.map(|_answer| ())
    }

    pub(crate) async fn unpublish(&self, target: &Path) -> Result<(), Status> {
        let (volume_id, target_path) = ("csi-0123456789abcdef".to_owned(), target.display().to_string());
        self.node().node_unpublish_volume(NodeUnpublishVolumeRequest { volume_id, target_path }).await.map(|_answer| ())
    }

    /// The good request, bent: it must be refused with this code, and the text must begin like this. Nothing is at the target.
    pub(crate) async fn refuses(
        &self,
        code: Code,
        text: &str,
        bend: impl FnOnce(&mut NodePublishVolumeRequest),
    ) -> String {
        let mut request = self.request();
        bend(&mut request);
        let status = self.publish(request).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().starts_with(text), "{status:?}");
        assert!(status.details().is_empty(), "the specification wants no details: {status:?}");
        assert!(!self.target().exists(), "{status:?}");
        status.message().to_owned()
    }
}

/// A kernel that a test decides about.
#[derive(Debug, Default)]
pub(crate) struct FakeMounts(Mutex<State>);

#[derive(Debug, Default)]
pub(crate) struct State {
    /// What lies at each path, the uppermost last.
    pub(crate) at: BTreeMap<PathBuf, Vec<Mounted>>,
    /// Calls that fail, and with which number of an error.
    pub(crate) failing: BTreeMap<&'static str, i32>,
    /// What is attached can be written.
    pub(crate) forgets_to_lock: bool,
    /// How often something was attached, and detached.
    pub(crate) attached: usize,
    pub(crate) detached: usize,
}

impl FakeMounts {
    pub(crate) fn failing(call: &'static str, errno: i32) -> Arc<Self> {
        let fake = Self::default();
        fake.state(|state| state.failing.insert(call, errno));
        Arc::new(fake)
    }

    pub(crate) fn state<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.0.lock().unwrap())
    }

    pub(crate) fn layers(&self, path: &Path) -> usize {
        self.state(|state| state.at.get(path).map_or(0, Vec::len))
    }

    fn may(&self, call: &str) -> io::Result<()> {
        match self.state(|state| state.failing.get(call).copied()) {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        }
    }
}

impl Mounts for FakeMounts {
    fn rehearse(&self, _folder: &Path) -> io::Result<()> {
        self.may("rehearse")
    }

    fn at(&self, place: &Place) -> io::Result<Option<Mounted>> {
        self.may("at")?;
        Ok(self.state(|state| state.at.get(place.path()).and_then(|layers| layers.last().copied())))
    }

    fn attach(&self, folder: &Path, place: &Place) -> io::Result<()> {
        self.may("attach")?;
        assert!(place.path().is_dir(), "there is no folder to mount on");
        let shows = Some(FolderId::at(folder)?);
        self.state(|state| {
            let mounted = Mounted { shows, locked: !state.forgets_to_lock, shared: true };
            state.at.entry(place.path().to_owned()).or_default().push(mounted);
            state.attached += 1;
        });
        Ok(())
    }

    fn detach(&self, place: &Place) -> io::Result<()> {
        self.may("detach")?;
        self.state(|state| {
            state.at.get_mut(place.path()).and_then(Vec::pop).expect("nothing is mounted there");
            state.detached += 1;
        });
        Ok(())
    }
}

/// A stage before a kernel without rights and without mounts.
pub(crate) async fn stage(folder: &Path) -> (Stage, Arc<FakeMounts>) {
    let mounts = Arc::new(FakeMounts::default());
    (Stage::start(folder, Arc::clone(&mounts) as Arc<dyn Mounts>).await, mounts)
}
