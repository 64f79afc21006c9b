//! Whether a contract only grows: what a descriptor set says, as facts by name, of which none may be lost or changed.

use std::collections::BTreeMap;

use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorSet, ServiceDescriptorProto};

/// What may not change: a field by its message and number, a value by its enum and number, a method by its path.
type Facts = BTreeMap<String, String>;

/// What `after` has lost or changed of `before`, one sentence each.
#[must_use]
pub fn broken(before: &FileDescriptorSet, after: &FileDescriptorSet) -> Vec<String> {
    let after = facts(after);
    let lost = |(what, was): (String, String)| match after.get(&what) {
        Some(is) if *is == was => None,
        Some(is) => Some(format!("{what} was `{was}` and is `{is}`")),
        None => Some(format!("{what} was `{was}` and is gone")),
    };
    facts(before).into_iter().filter_map(lost).collect()
}

fn facts(set: &FileDescriptorSet) -> Facts {
    let mut facts = Facts::new();
    for file in &set.file {
        let package = file.package();
        file.message_type.iter().for_each(|message| of_message(&mut facts, package, message));
        file.enum_type.iter().for_each(|named| of_enum(&mut facts, package, named));
        file.service.iter().for_each(|service| of_service(&mut facts, package, service));
    }
    facts
}

fn of_message(facts: &mut Facts, scope: &str, message: &DescriptorProto) {
    let name = format!("{scope}.{}", message.name());
    facts.insert(name.clone(), "a message".to_owned());
    for field in &message.field {
        let oneof = field.oneof_index.filter(|_| !field.proto3_optional());
        let oneof = oneof.and_then(|index| message.oneof_decl.get(usize::try_from(index).ok()?));
        let fact = format!(
            "{} {:?} {}{}{}{}",
            field.name(),
            field.label(),
            field.r#type().as_str_name(),
            field.type_name(),
            if field.proto3_optional() { " optional" } else { "" },
            oneof.map(|oneof| format!(" of {}", oneof.name())).unwrap_or_default()
        );
        facts.insert(format!("{name} field {}", field.number()), fact);
    }
    message.nested_type.iter().for_each(|nested| of_message(facts, &name, nested));
    message.enum_type.iter().for_each(|named| of_enum(facts, &name, named));
}

fn of_enum(facts: &mut Facts, scope: &str, named: &EnumDescriptorProto) {
    for value in &named.value {
        let what = format!("{scope}.{} value {}", named.name(), value.number());
        facts.insert(what, value.name().to_owned());
    }
}

fn of_service(facts: &mut Facts, scope: &str, service: &ServiceDescriptorProto) {
    for method in &service.method {
        let stream = |streams: bool| if streams { "stream " } else { "" };
        let fact = format!(
            "{}{} -> {}{}, {}",
            stream(method.client_streaming()),
            method.input_type(),
            stream(method.server_streaming()),
            method.output_type(),
            method.options.clone().unwrap_or_default().idempotency_level().as_str_name()
        );
        facts.insert(format!("/{scope}.{}/{}", service.name(), method.name()), fact);
    }
}

#[cfg(test)]
mod tests {
    use prost_types::field_descriptor_proto::{Label, Type};
    use prost_types::{
        EnumValueDescriptorProto, FieldDescriptorProto, FileDescriptorProto, MethodDescriptorProto,
    };

    use super::*;

    fn set() -> FileDescriptorSet {
        let field = FieldDescriptorProto {
            name: Some("key".to_owned()),
            number: Some(2),
            label: Some(Label::Optional.into()),
            r#type: Some(Type::String.into()),
            ..Default::default()
        };
        let message =
            DescriptorProto { name: Some("Get".to_owned()), field: vec![field], ..Default::default() };
        let value =
            EnumValueDescriptorProto { name: Some("LEFT".to_owned()), number: Some(1), ..Default::default() };
        let named =
            EnumDescriptorProto { name: Some("End".to_owned()), value: vec![value], ..Default::default() };
        let method = MethodDescriptorProto { name: Some("Get".to_owned()), ..Default::default() };
        let service = ServiceDescriptorProto {
            name: Some("Basic".to_owned()),
            method: vec![method],
            ..Default::default()
        };
        FileDescriptorSet {
            file: vec![FileDescriptorProto {
                package: Some("p".to_owned()),
                message_type: vec![message],
                enum_type: vec![named],
                service: vec![service],
                ..Default::default()
            }],
        }
    }

    fn after(change: impl FnOnce(&mut FileDescriptorProto)) -> Vec<String> {
        let mut changed = set();
        change(&mut changed.file[0]);
        broken(&set(), &changed)
    }

    #[test]
    fn what_is_added_breaks_nothing() {
        let grown = after(|file| {
            let mut field = file.message_type[0].field[0].clone();
            (field.number, field.name) = (Some(3), Some("with_ttl".to_owned()));
            file.message_type[0].field.push(field);
            file.message_type.push(DescriptorProto { name: Some("Other".to_owned()), ..Default::default() });
            let method = MethodDescriptorProto { name: Some("Put".to_owned()), ..Default::default() };
            file.service[0].method.push(method);
        });
        assert_eq!(grown, Vec::<String>::new());
    }

    #[test]
    fn what_is_lost_or_changed_is_named() {
        let names = |broken: Vec<String>, name: &str| {
            assert!(broken.len() == 1 && broken[0].starts_with(name), "{name}: {broken:?}");
        };
        names(after(|file| file.message_type[0].field[0].name = Some("k".to_owned())), "p.Get field 2 was");
        names(after(|file| file.message_type[0].field[0].number = Some(3)), "p.Get field 2 was");
        names(after(|file| file.message_type[0].field[0].set_type(Type::Bytes)), "p.Get field 2 was");
        names(after(|file| file.message_type[0].field[0].set_label(Label::Repeated)), "p.Get field 2 was");
        names(after(|file| file.message_type[0].field[0].proto3_optional = Some(true)), "p.Get field 2 was");
        names(after(|file| file.enum_type[0].value[0].name = Some("HEAD".to_owned())), "p.End value 1 was");
        names(after(|file| file.service[0].method[0].server_streaming = Some(true)), "/p.Basic/Get was");
        names(after(|file| file.service[0].method.clear()), "/p.Basic/Get was");
    }
}
