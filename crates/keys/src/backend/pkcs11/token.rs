//! A token: sessions, objects, signatures.

use std::{
    fmt,
    sync::{Condvar, Mutex, PoisonError},
};

use carnet_core::{ErrorKind, Secret, hex, safe_text};
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11 as Library},
    error::{Error as LibraryError, RvError},
    object::{Attribute, AttributeType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    slot::Slot,
    types::AuthPin,
};

use super::{
    Pkcs11Settings,
    form::{Form, spki_of_rsa},
};

/// CKA_LABEL of the objects, for whoever looks at them with the vendor's tools.
const LABEL: &[u8] = b"carnet";

/// Why the token did not do it. Never holds the PIN.
#[derive(Debug)]
pub(super) enum TokenError {
    /// It must be configured otherwise.
    Settings { message: String, hint: &'static str },
    /// It said no.
    Said { attempt: String, error: LibraryError },
}

/// One token of one library, logged in.
pub(super) struct Token {
    library: Library,
    slot: Slot,
    label: String,
    pin: Secret,
    pool: Mutex<Pool>,
    /// A session came back.
    returned: Condvar,
    most: usize,
}

/// Sessions. A token forgets that its user has logged in when the last is closed, so none is closed without need.
#[derive(Default)]
struct Pool {
    idle: Vec<Session>,
    open: usize,
}

impl Token {
    pub(super) fn open(settings: &Pkcs11Settings) -> Result<Self, carnet_core::Error> {
        let module = settings.module.display();
        let library = Library::new(&settings.module).map_err(|error| {
            carnet_core::Error::configuration(format!("load the PKCS #11 library {module}"))
                .because(error)
                .hint("install the vendor's library, and give its absolute path")
        })?;
        match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
            // Another part of this process uses the same library.
            Ok(()) | Err(LibraryError::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
            Err(error) => return Err(said(format!("start the PKCS #11 library {module}"), error).into()),
        }
        let slot = find_token(&library, &settings.token)?;
        let token = Self {
            library,
            slot,
            label: settings.token.clone(),
            pin: settings.pin.clone(),
            pool: Mutex::default(),
            returned: Condvar::new(),
            most: settings.sessions.max(1),
        };
        token.with_session("log in", |_| Ok(()))?;
        Ok(token)
    }

    pub(super) fn describe(&self) -> String {
        format!("token {:?}", safe_text(&self.label))
    }

    /// Makes a key pair under this CKA_ID.
    pub(super) fn generate(&self, id: &[u8], form: Form) -> Result<(), TokenError> {
        let attempt = format!("make a {} key", form.name());
        let known = self.library.get_mechanism_list(self.slot).map_err(|error| said(attempt.clone(), error))?;
        if !known.contains(&form.generation_type()) {
            return Err(TokenError::Settings {
                message: format!("the {} makes no {} keys", self.describe(), form.name()),
                hint: "choose an algorithm that the token has",
            });
        }
        let name = [Attribute::Id(id.to_vec()), Attribute::Label(LABEL.to_vec()), Attribute::Token(true)];
        let public = [Attribute::Private(false), Attribute::Verify(true)];
        let private = [
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ];
        let public: Vec<Attribute> = name.iter().chain(&public).cloned().chain(form.parameters()).collect();
        let private: Vec<Attribute> = name.iter().chain(&private).cloned().collect();
        self.with_session(&attempt, |session| {
            session.generate_key_pair(&form.generation(), &public, &private).map(drop)
        })
    }

    /// DER SubjectPublicKeyInfo of the key with this CKA_ID.
    pub(super) fn public_key(&self, id: &[u8], form: Form) -> Result<Vec<u8>, TokenError> {
        let unknown = || TokenError::Settings {
            message: format!("the public key {} in the {} is in no known form", hex(id), self.describe()),
            hint: "is it a key that carnet made, in the token that it was made in?",
        };
        let wanted = match form {
            Form::Rsa => vec![AttributeType::Modulus, AttributeType::PublicExponent],
            Form::P256 | Form::P384 | Form::Ed25519 => vec![AttributeType::EcPoint],
        };
        let attributes = self.with_session("read a public key", |session| {
            let Some(object) = find(session, id, ObjectClass::PUBLIC_KEY)? else { return Ok(None) };
            session.get_attributes(object, &wanted).map(Some)
        })?;
        let attributes = attributes.ok_or_else(|| self.missing(id))?;
        let (mut modulus, mut exponent, mut point) = (Vec::new(), Vec::new(), Vec::new());
        for attribute in attributes {
            match attribute {
                Attribute::Modulus(bytes) => modulus = bytes,
                Attribute::PublicExponent(bytes) => exponent = bytes,
                Attribute::EcPoint(bytes) => point = bytes,
                _ => {}
            }
        }
        let spki = if form == Form::Rsa { spki_of_rsa(&modulus, &exponent) } else { form.spki_of_point(&point) };
        spki.ok_or_else(unknown)
    }

    /// Signs with the key of this CKA_ID, in the form of JWS. `handle` is where the key was found before; to look for it at
    /// every signature would triple the round trips.
    pub(super) fn sign(
        &self,
        id: &[u8],
        form: Form,
        message: &[u8],
        handle: &Mutex<Option<ObjectHandle>>,
    ) -> Result<Vec<u8>, TokenError> {
        let (mechanism, input) = form.signing(message);
        let signature = self.with_session("sign", |session| {
            let known = handle.lock().unwrap_or_else(PoisonError::into_inner).take();
            let key = match known {
                Some(key) => Some(key),
                None => find(session, id, ObjectClass::PRIVATE_KEY)?,
            };
            let Some(key) = key else { return Ok(None) };
            let signature = session.sign(&mechanism, key, &input)?;
            *handle.lock().unwrap_or_else(PoisonError::into_inner) = Some(key);
            Ok(Some(signature))
        })?;
        let signature = signature.ok_or_else(|| self.missing(id))?;
        match form.signature_length() {
            Some(length) if length != signature.len() => Err(TokenError::Settings {
                message: format!("the {} made a signature of {} bytes, not {length}", self.describe(), signature.len()),
                hint: "the library does not follow PKCS #11; ask its vendor",
            }),
            _ => Ok(signature),
        }
    }

    /// Removes both halves, if they are there.
    pub(super) fn destroy(&self, id: &[u8]) -> Result<(), TokenError> {
        self.with_session("remove a key", |session| {
            for object in session.find_objects(&[Attribute::Id(id.to_vec()), Attribute::Label(LABEL.to_vec())])? {
                session.destroy_object(object)?;
            }
            Ok(())
        })
    }

    /// Runs it in a session that nobody else uses. When the token has forgotten its sessions (it was reset, or the
    /// connection was lost) they are opened anew, once.
    fn with_session<T>(
        &self,
        attempt: &str,
        work: impl Fn(&Session) -> Result<T, LibraryError>,
    ) -> Result<T, TokenError> {
        let mut outcome = self.in_session(&work);
        if matches!(&outcome, Err(LibraryError::Pkcs11(reason, _)) if is_lost(*reason)) {
            self.forget_sessions();
            outcome = self.in_session(&work);
        }
        outcome.map_err(|error| said(format!("{attempt} in the {}", self.describe()), error))
    }

    fn in_session<T>(&self, work: &impl Fn(&Session) -> Result<T, LibraryError>) -> Result<T, LibraryError> {
        let session = match self.take_idle() {
            Some(session) => session,
            None => self.open_session().inspect_err(|_| self.closed())?,
        };
        let outcome = work(&session);
        if matches!(&outcome, Err(LibraryError::Pkcs11(reason, _)) if is_lost(*reason)) {
            drop(session);
            self.closed();
        } else {
            self.lock().idle.push(session);
            self.returned.notify_one();
        }
        outcome
    }

    /// An idle session, or `None` when another may be opened and is counted already. Waits when there are as many as may be.
    fn take_idle(&self) -> Option<Session> {
        let mut pool = self.lock();
        loop {
            if let Some(session) = pool.idle.pop() {
                return Some(session);
            }
            if pool.open < self.most {
                pool.open += 1;
                return None;
            }
            pool = self.returned.wait(pool).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn open_session(&self) -> Result<Session, LibraryError> {
        let session = self.library.open_rw_session(self.slot)?;
        match session.login(UserType::User, Some(&AuthPin::from(self.pin.expose().to_owned()))) {
            // All sessions of a process share the login.
            Ok(()) | Err(LibraryError::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
            Err(error) => Err(error),
        }
    }

    fn closed(&self) {
        let mut pool = self.lock();
        pool.open = pool.open.saturating_sub(1);
        drop(pool);
        self.returned.notify_one();
    }

    fn forget_sessions(&self) {
        let mut pool = self.lock();
        let idle = std::mem::take(&mut pool.idle);
        pool.open = pool.open.saturating_sub(idle.len());
        drop(pool);
        self.returned.notify_all();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missing(&self, id: &[u8]) -> TokenError {
        TokenError::Settings {
            message: format!("the {} has no key {}", self.describe(), String::from_utf8_lossy(id)),
            hint: "is it the token that the key was made in? A key that was removed is lost: revoke it",
        }
    }
}

fn find_token(library: &Library, label: &str) -> Result<Slot, TokenError> {
    let attempt = || "look for the tokens of the PKCS #11 library".to_owned();
    let mut found = Vec::new();
    let mut labels = Vec::new();
    for slot in library.get_slots_with_initialized_token().map_err(|error| said(attempt(), error))? {
        let info = library.get_token_info(slot).map_err(|error| said(attempt(), error))?;
        labels.push(safe_text(info.label().trim_end()));
        if info.label().trim_end() == label {
            found.push(slot);
        }
    }
    match found.as_slice() {
        [slot] => Ok(*slot),
        [] => Err(TokenError::Settings {
            message: format!("there is no token {:?}; there are: {labels:?}", safe_text(label)),
            hint: "give the label of an initialized token",
        }),
        _ => Err(TokenError::Settings {
            message: format!("{} tokens are called {:?}", found.len(), safe_text(label)),
            hint: "give the token a label of its own",
        }),
    }
}

fn find(session: &Session, id: &[u8], class: ObjectClass) -> Result<Option<ObjectHandle>, LibraryError> {
    let found = session.find_objects(&[Attribute::Id(id.to_vec()), Attribute::Class(class)])?;
    Ok(found.first().copied())
}

/// Whether the session is of no use any more and another may be.
fn is_lost(reason: RvError) -> bool {
    matches!(
        reason,
        RvError::SessionHandleInvalid
            | RvError::SessionClosed
            | RvError::UserNotLoggedIn
            | RvError::DeviceRemoved
            | RvError::DeviceError
            | RvError::TokenNotPresent
            | RvError::ObjectHandleInvalid
            | RvError::KeyHandleInvalid
    )
}

fn said(attempt: String, error: LibraryError) -> TokenError {
    TokenError::Said { attempt, error }
}

impl TokenError {
    pub(super) fn kind(&self) -> ErrorKind {
        match self {
            Self::Said { error: LibraryError::Pkcs11(reason, _), .. } if is_lost(*reason) => ErrorKind::Unreachable,
            Self::Settings { .. } | Self::Said { .. } => ErrorKind::Configuration,
        }
    }

    pub(super) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Settings { hint, .. } => Some(hint),
            Self::Said { error: LibraryError::Pkcs11(RvError::PinIncorrect, _), .. } => {
                Some("the PIN is wrong; tokens lock themselves after a few attempts")
            }
            Self::Said { error: LibraryError::Pkcs11(RvError::PinLocked, _), .. } => {
                Some("the token is locked; its security officer can set a new PIN")
            }
            Self::Said { .. } => None,
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings { message, .. } => f.write_str(message),
            // The name of the code; the library's sentences go on for lines.
            Self::Said { attempt, error: LibraryError::Pkcs11(reason, _) } => {
                write!(f, "{attempt}: the token answers {reason:?}")
            }
            Self::Said { attempt, error } => write!(f, "{attempt}: {error}"),
        }
    }
}

impl std::error::Error for TokenError {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("label", &self.label).finish_non_exhaustive()
    }
}
