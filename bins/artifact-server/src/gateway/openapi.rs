//! The description of the interface (OpenAPI 3.1), derived from the handlers and the wire types.

use std::sync::LazyLock;

use artifact_domain::name::RequestId;
use artifact_domain::wire::{ErrorCode, Problem};
use utoipa::openapi::{
    ContentBuilder, Info, Ref, RefOr, Response, ResponseBuilder, path::Operation,
};
use utoipa::{Modify, OpenApi};

use super::routes::{audit, classes, docs, files, operations, packages, retention, seal};

#[derive(OpenApi)]
#[openapi(
    paths(
        packages::create, packages::list, packages::package, packages::update, packages::fail,
        packages::summary,
        files::upload, files::batch, files::check, files::list, files::read, files::remove,
        seal::finalize, seal::manifest, seal::archive,
        retention::retention, retention::extend, retention::change_class, retention::events,
        retention::holds, retention::place_hold, retention::release_hold,
        retention::candidates, retention::delete, retention::deletion,
        classes::classes, classes::put_class, classes::clock, classes::acknowledge_clock,
        audit::of_package, audit::all,
        operations::healthz, operations::readyz, operations::metrics, docs::description,
    ),
    components(schemas(Problem, seal::ArchiveName)),
    modifiers(&Problems),
    tags(
        (name = "packages", description = "Announce packages, look them up, give them up"),
        (name = "files", description = "Bytes in and out"),
        (name = "seal", description = "Finalize, manifest, archive"),
        (name = "retention", description = "How long packages are kept, what holds them, deleting them"),
        (name = "audit", description = "What was done, by whom, when"),
        (name = "operations", description = "For those who run it"),
    ),
)]
struct Description;

/// The document, made once.
pub(crate) fn document() -> &'static utoipa::openapi::OpenApi {
    static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(|| {
        let mut document = Description::openapi();
        document.info = Info::new("artifact-store", env!("CARGO_PKG_VERSION"));
        document.info.description = Some(
            "The registry and storage gateway where evidence is kept: a directory becomes one \
             package, sealed by a manifest, kept as long as its retention class says."
                .to_owned(),
        );
        document
    });
    &DOCUMENT
}

/// Completes the problems: a handler names the statuses that are its own, and their codes; what a
/// problem looks like and what every resource may answer is said here.
struct Problems;

/// What every resource may answer.
const EVERYWHERE: [ErrorCode; 5] = [
    ErrorCode::InvalidRequest,
    ErrorCode::Unauthorized,
    ErrorCode::Forbidden,
    ErrorCode::Internal,
    ErrorCode::RegistryUnavailable,
];

fn problem(code: ErrorCode, description: String) -> Response {
    let request_id = RequestId::parse("01890a5d-ac96-774b-bcce-b302099a8057")
        .unwrap_or_else(|_| unreachable!("a UUID keeps the rule of request ids"));
    let example = Problem::new(code, code.title(), request_id);
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name("Problem")))
        .example(serde_json::to_value(example).ok())
        .build();
    ResponseBuilder::new()
        .description(description)
        .content("application/problem+json", content)
        .build()
}

/// The code that a description begins with.
fn code_of(description: &str) -> Option<ErrorCode> {
    let word = description.split([',', ' ']).next().unwrap_or_default();
    serde_json::from_value(word.into()).ok()
}

fn complete(operation: &mut Operation) {
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && response.content.is_empty()
            && let Some(code) = code_of(&response.description)
        {
            *response = problem(code, response.description.clone());
        }
    }
    for code in EVERYWHERE {
        let status = code.status().to_string();
        let described = || RefOr::T(problem(code, code.to_string()));
        operation.responses.responses.entry(status).or_insert_with(described);
    }
}

impl Modify for Problems {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for item in document.paths.paths.values_mut() {
            let operations =
                [&mut item.get, &mut item.put, &mut item.post, &mut item.patch, &mut item.delete];
            operations.into_iter().flatten().for_each(complete);
        }
    }
}
