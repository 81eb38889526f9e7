//! Schemas of lists of names, for the OpenAPI document.

/// Declares a type that stands for a list of names in the OpenAPI document: `name_schema!(/** docs */ View: List);`
macro_rules! name_schema {
    ($(#[doc = $doc:literal])* $schema:ident: $names:ty) => {
        $(#[doc = $doc])*
        enum $schema {}

        impl utoipa::PartialSchema for $schema {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .description(Some(concat!($($doc),*).trim()))
                    .enum_values(Some(<$names>::NAMES.iter().copied()))
                    .into()
            }
        }

        impl utoipa::ToSchema for $schema {}
    };
}

pub(crate) use name_schema;
