//! How the files get to where they are served.

use std::path::Path;

use super::ExportFile;

/// Where documents are uploaded to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadTo<'a> {
    /// Amazon S3: the bucket.
    S3(&'a str),
    /// Google Cloud Storage: the bucket.
    Gcs(&'a str),
    /// Azure Blob Storage: account and container.
    Azure(&'a str, &'a str),
    /// OCI Object Storage: the bucket.
    Oci(&'a str),
}

/// One command for each file, with the type and caching that it must be served with: object stores guess them from the name,
/// and these names have no ending. In the order in which they must be run. For a shell; words with other characters than
/// `A-Z a-z 0-9 . _ / : = , -` are quoted.
pub fn upload_commands(folder: &Path, files: &[ExportFile], to: UploadTo<'_>) -> Vec<String> {
    files
        .iter()
        .map(|file| {
            let local = folder.join(&file.path).to_string_lossy().into_owned();
            let (kind, caching, path) = (file.content_type, file.cache_control.as_str(), file.path.as_str());
            let words: Vec<String> = match to {
                UploadTo::S3(bucket) => {
                    let target = format!("s3://{bucket}/{path}");
                    ["aws", "s3", "cp", &local, &target, "--content-type", kind, "--cache-control", caching]
                        .map(str::to_owned)
                        .to_vec()
                }
                UploadTo::Gcs(bucket) => {
                    let (kind, caching) = (format!("--content-type={kind}"), format!("--cache-control={caching}"));
                    ["gcloud", "storage", "cp", &kind, &caching, &local, &format!("gs://{bucket}/{path}")]
                        .map(str::to_owned)
                        .to_vec()
                }
                UploadTo::Azure(account, container) => [
                    "az",
                    "storage",
                    "blob",
                    "upload",
                    "--overwrite",
                    "--account-name",
                    account,
                    "--container-name",
                    container,
                    "--file",
                    &local,
                    "--name",
                    path,
                    "--content-type",
                    kind,
                    "--content-cache-control",
                    caching,
                ]
                .map(str::to_owned)
                .to_vec(),
                UploadTo::Oci(bucket) => [
                    "oci",
                    "os",
                    "object",
                    "put",
                    "--force",
                    "--bucket-name",
                    bucket,
                    "--file",
                    &local,
                    "--name",
                    path,
                    "--content-type",
                    kind,
                    "--cache-control",
                    caching,
                ]
                .map(str::to_owned)
                .to_vec(),
            };
            words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
        })
        .collect()
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._/:=,-".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
