//! `grpc.reflection`, v1 and v1alpha: what a server's port serves, for tools and for proxies.

use prism_grpc::service::Services;

/// Adds reflection over everything that was added so far.
///
/// # Panics
/// A descriptor set that was compiled in does not decode.
#[must_use]
pub fn add_to(services: Services) -> Services {
    let builder = || {
        let mut builder = tonic_reflection::server::Builder::configure();
        for set in services.descriptors() {
            builder = builder.register_encoded_file_descriptor_set(set);
        }
        services.names().into_iter().fold(builder, |builder, name| builder.with_service_name(name))
    };
    let v1 = builder().build_v1().expect("the descriptors were compiled in");
    let v1alpha = builder().build_v1alpha().expect("the descriptors were compiled in");
    services
        .add(v1, tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
        .add(v1alpha, tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
}
