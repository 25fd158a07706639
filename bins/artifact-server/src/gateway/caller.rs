//! Who asks: the one place where a request gets its actor and its scopes.
//!
//! The store is private to this module. A handler gets it from a [`Caller`] only, and a caller
//! exists only where the scope that the handler names was granted; a handler that forgets to ask
//! does not compile.

use std::future::{Ready, ready};
use std::marker::PhantomData;
use std::ops::Deref;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use artifact_domain::event::Origin;
use artifact_domain::name::{Actor, RequestId};
use artifact_store::ArtifactStore;

use super::problem::ApiError;

/// What a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// See packages, files and their history.
    Read,
    /// Make packages and change open ones.
    Ingest,
    /// Keep packages for longer: extend, reclassify, hold, release.
    Retain,
    /// Delete what nothing protects.
    Delete,
    /// Everything.
    Admin,
}

/// A scope as a type, so that a handler's signature says what it needs.
pub(crate) trait Granted {
    const SCOPE: Scope;
}

/// [`Scope::Read`].
pub(crate) struct Read;
/// [`Scope::Ingest`].
pub(crate) struct Ingest;
/// [`Scope::Retain`].
pub(crate) struct Retain;
/// [`Scope::Delete`].
pub(crate) struct Delete;
/// [`Scope::Admin`].
pub(crate) struct Admin;

impl Granted for Read {
    const SCOPE: Scope = Scope::Read;
}
impl Granted for Ingest {
    const SCOPE: Scope = Scope::Ingest;
}
impl Granted for Retain {
    const SCOPE: Scope = Scope::Retain;
}
impl Granted for Delete {
    const SCOPE: Scope = Scope::Delete;
}
impl Granted for Admin {
    const SCOPE: Scope = Scope::Admin;
}

/// What decides who a request is from, and the store behind it.
pub(crate) struct Door {
    store: ArtifactStore,
}

impl Door {
    pub(crate) const fn new(store: ArtifactStore) -> Self {
        Self { store }
    }

    /// The state of the store's parts. Nobody has to be known to ask for it.
    pub(crate) async fn health(&self) -> artifact_store::health::Health {
        self.store.health().await
    }

    /// Who a request is from. No token is known to this store, so a request without one is
    /// anonymous and may do everything, and one with a token is refused: its sender believes to
    /// be somebody.
    fn admit(&self, request: &HttpRequest, _scope: Scope) -> Result<ArtifactStore, ApiError> {
        if request.headers().contains_key(header::AUTHORIZATION) {
            return Err(ApiError::unauthorized(
                "the token is not known: no token was made for this store; send the request without one",
            ));
        }
        let actor = Actor::parse("anonymous")
            .unwrap_or_else(|_| unreachable!("the name keeps the rule of names"));
        let request_id = request.extensions().get::<RequestId>().cloned();
        Ok(self.store.acting_as(Origin { actor, request_id }))
    }
}

/// Somebody who may do what `S` stands for. It derefs to the store, acting for them.
pub(crate) struct Caller<S> {
    store: ArtifactStore,
    scope: PhantomData<S>,
}

impl<S> Deref for Caller<S> {
    type Target = ArtifactStore;

    fn deref(&self) -> &ArtifactStore {
        &self.store
    }
}

impl<S: Granted> FromRequest for Caller<S> {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let admitted = request
            .app_data::<web::Data<Door>>()
            .unwrap_or_else(|| unreachable!("every application of the gateway has its door"))
            .admit(request, S::SCOPE);
        ready(admitted.map(|store| Self { store, scope: PhantomData }))
    }
}
