//! Forms that bring a file (`multipart/form-data`). A file may hold secrets: it stays in memory, is never written to a disk,
//! and is wiped.

use axum::{
    body::Body,
    extract::{
        FromRequest, Multipart, Request,
        multipart::{Field, MultipartError},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use futures_util::StreamExt as _;
use zeroize::Zeroizing;

use super::form::Pairs;
use crate::{
    problem::{Problem, ProblemKind},
    request::UPLOAD_BYTES_MAX,
};

/// The parts that a form of ours has at most.
const PARTS_MAX: usize = 32;
/// What is read away of a form that is too large, in bytes, so that the browser reads the answer and does not see a broken line.
const READ_AWAY_MAX: usize = 8 * UPLOAD_BYTES_MAX;

/// The texts and the files of a form.
pub(crate) struct FileForm {
    pub(crate) texts: Pairs,
    files: Vec<(String, BroughtFile)>,
}

/// A file that a form brought.
#[derive(Default)]
pub(crate) struct BroughtFile {
    /// The name that the file has on the person's machine.
    pub(crate) name: Option<String>,
    /// What it holds. Empty when no file was chosen.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
}

impl FileForm {
    /// Takes a file out of the form. An empty one without a name stands for none.
    pub(crate) fn take(&mut self, name: &str) -> BroughtFile {
        let found = self.files.iter_mut().find(|(known, _)| known == name);
        found.map(|(_, file)| std::mem::take(file)).unwrap_or_default()
    }
}

impl<S: Send + Sync> FromRequest<S> for FileForm {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let room: usize = length.unwrap_or(0);
        if room > UPLOAD_BYTES_MAX {
            read_away(request.into_body()).await;
            return Err(too_large());
        }
        let mut parts = Multipart::from_request(request, state).await.map_err(|_| malformed())?;
        let (mut texts, mut files) = (Vec::new(), Vec::new());
        while let Some(part) = parts.next_field().await.map_err(|error| refused(&error))? {
            let name = part.name().unwrap_or_default().to_owned();
            if texts.len() + files.len() >= PARTS_MAX {
                return Err(malformed());
            }
            if let Some(file) = part.file_name().map(str::to_owned) {
                let name_of_file = Some(file).filter(|file| !file.is_empty());
                let bytes = bytes(part, room).await.map_err(|error| refused(&error))?;
                files.push((name, BroughtFile { name: name_of_file, bytes }));
            } else {
                let bytes = bytes(part, 0).await.map_err(|error| refused(&error))?;
                let text = std::str::from_utf8(&bytes).map_err(|_| malformed())?;
                texts.push((name, Zeroizing::new(text.to_owned())));
            }
        }
        Ok(Self { texts: Pairs::of_texts(texts), files })
    }
}

/// Reads a part. With enough room from the beginning, no piece stays behind in memory that was given back.
async fn bytes(mut part: Field<'_>, room: usize) -> Result<Zeroizing<Vec<u8>>, MultipartError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    while let Some(piece) = part.chunk().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

/// Says whether a request brings such a form.
pub(crate) fn is_multipart(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"multipart/form-data"))
}

/// Reads a body to its end, and keeps nothing of it.
pub(crate) async fn read_away(body: Body) {
    let (mut pieces, mut read) = (body.into_data_stream(), 0);
    while let Some(Ok(piece)) = pieces.next().await {
        read += piece.len();
        if read > READ_AWAY_MAX {
            return;
        }
    }
}

fn refused(error: &MultipartError) -> Response {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE { too_large() } else { malformed() }
}

fn too_large() -> Response {
    let why = format!("the form has more than {} MiB with its file", UPLOAD_BYTES_MAX / (1024 * 1024));
    Problem::new(ProblemKind::TooLarge, why)
        .hint("Split the file, or export it again without attachments. Nothing was stored.")
        .into_response()
}

fn malformed() -> Response {
    Problem::new(ProblemKind::Malformed, "the form is not understood").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: &str) -> Result<FileForm, Response> {
        let kind = "multipart/form-data; boundary=x";
        let request = Request::post("/import").header(header::CONTENT_TYPE, kind).body(Body::from(body.to_owned()));
        FileForm::from_request(request.unwrap(), &()).await
    }

    fn part(about: &str, text: &str) -> String {
        format!("--x\r\ncontent-disposition: form-data; {about}\r\n\r\n{text}\r\n")
    }

    #[tokio::test]
    async fn texts_and_files_are_told_apart_and_a_file_stays_as_it_is() {
        let body = [
            part("name=\"in\"", "a\r\nb"),
            part("name=\"file\"; filename=\"p w.csv\"", "a\r\nb"),
            part("name=\"key_file\"; filename=\"\"", ""),
            "--x--\r\n".to_owned(),
        ];
        let mut form = read(&body.concat()).await.ok().unwrap();
        assert_eq!(form.texts.text("in"), "a\nb");
        let file = form.take("file");
        assert_eq!((file.name.as_deref(), file.bytes.as_slice()), (Some("p w.csv"), &b"a\r\nb"[..]));
        let none = form.take("key_file");
        assert!(none.name.is_none() && none.bytes.is_empty());
        assert!(form.take("another").bytes.is_empty());
    }

    #[tokio::test]
    async fn a_form_that_breaks_off_or_has_too_many_parts_is_refused() {
        let status = |read: Result<FileForm, Response>| read.err().map(|response| response.status().as_u16());
        assert_eq!(status(read(&part("name=\"in\"", "a")).await), Some(400));
        assert_eq!(status(read("nothing").await), Some(400));
        let many = part("name=\"in\"", "a").repeat(PARTS_MAX + 1) + "--x--\r\n";
        assert_eq!(status(read(&many).await), Some(400));
    }

    #[tokio::test]
    async fn a_form_that_says_that_it_is_too_large_is_refused_before_it_is_taken_apart() {
        let request = Request::post("/import")
            .header(header::CONTENT_TYPE, "multipart/form-data; boundary=x")
            .header(header::CONTENT_LENGTH, UPLOAD_BYTES_MAX + 1)
            .body(Body::from("x"));
        let refused = FileForm::from_request(request.unwrap(), &()).await.err().unwrap();
        assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }
}
