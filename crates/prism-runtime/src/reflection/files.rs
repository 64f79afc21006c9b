//! Proto files by name and by the symbols that they define.

use bytes::Bytes;
use prost::{DecodeError, Message};
use prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto};
use rustc_hash::FxHashMap;

/// Proto files by name and by the symbols that they define: services and their methods, messages and their fields,
/// enums and their values. Of two files with the same name, or two definitions of the same symbol, the first wins.
#[derive(Debug, Default)]
pub struct Files {
    by_name: FxHashMap<String, Bytes>,
    by_symbol: FxHashMap<String, Bytes>,
    bytes: usize,
}

/// `google.protobuf.FileDescriptorSet` with its files still encoded: decoding them would lose options that this program
/// does not know.
#[derive(Clone, PartialEq, prost::Message)]
struct RawSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

impl Files {
    /// The files of encoded `FileDescriptorSet`s.
    ///
    /// # Errors
    /// One of them cannot be decoded.
    pub fn of_sets<'a>(sets: impl IntoIterator<Item = &'a &'static [u8]>) -> Result<Self, DecodeError> {
        let mut files = Self::default();
        for set in sets {
            for file in RawSet::decode(Bytes::from_static(set))?.file {
                files.add(file)?;
            }
        }
        Ok(files)
    }

    /// Adds an encoded `FileDescriptorProto`, and returns it decoded.
    ///
    /// # Errors
    /// It cannot be decoded.
    pub fn add(&mut self, encoded: Bytes) -> Result<FileDescriptorProto, DecodeError> {
        let file = FileDescriptorProto::decode(encoded.clone())?;
        if !self.by_name.contains_key(file.name()) {
            self.bytes += encoded.len();
            self.by_name.insert(file.name().to_owned(), encoded.clone());
            for symbol in symbols(&file) {
                self.by_symbol.entry(symbol).or_insert_with(|| encoded.clone());
            }
        }
        Ok(file)
    }

    /// The total size of the files.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The encoded file with this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<Bytes> {
        self.by_name.get(name).cloned()
    }

    /// The encoded file that defines a symbol, given by its full name.
    #[must_use]
    pub fn defining(&self, symbol: &str) -> Option<Bytes> {
        self.by_symbol.get(symbol).cloned()
    }
}

fn symbols(file: &FileDescriptorProto) -> Vec<String> {
    let mut symbols = Vec::new();
    let package = file.package();
    for service in &file.service {
        let service_name = within(package, service.name());
        symbols.extend(service.method.iter().map(|method| within(&service_name, method.name())));
        symbols.push(service_name);
    }
    add_enums(&mut symbols, package, &file.enum_type);
    add_messages(&mut symbols, package, &file.message_type);
    symbols
}

fn add_messages(symbols: &mut Vec<String>, scope: &str, messages: &[DescriptorProto]) {
    for message in messages {
        let name = within(scope, message.name());
        symbols.extend(message.field.iter().map(|field| within(&name, field.name())));
        symbols.extend(message.oneof_decl.iter().map(|oneof| within(&name, oneof.name())));
        add_enums(symbols, &name, &message.enum_type);
        // Decoding has limited the nesting of messages to prost's 100.
        add_messages(symbols, &name, &message.nested_type);
        symbols.push(name);
    }
}

fn add_enums(symbols: &mut Vec<String>, scope: &str, enums: &[EnumDescriptorProto]) {
    for each in enums {
        let name = within(scope, each.name());
        // A value's name is a sibling of its enum's, but tools also ask for it within the enum.
        for value in &each.value {
            symbols.extend([within(scope, value.name()), within(&name, value.name())]);
        }
        symbols.push(name);
    }
}

fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_symbol_leads_to_its_file() {
        let files = Files::of_sets([&prism_proto::FILE_DESCRIPTOR_SET]).unwrap();
        let named = files.named("interfaces/keyvalue_basic.proto").unwrap();
        for symbol in
            ["KeyValueBasicInterface", "KeyValueBasicInterface.Get", "GetRequest", "GetRequest.namespace"]
        {
            let found = files.defining(&format!("prism.interfaces.keyvalue.{symbol}"));
            assert_eq!(found.as_ref(), Some(&named), "{symbol}");
        }
        assert_eq!(files.defining("prism.interfaces.keyvalue"), None, "a package is not a symbol");
        assert_eq!(files.defining(""), None);
    }

    #[test]
    fn the_first_of_two_files_counts() {
        let file = |package: &str| FileDescriptorProto {
            name: Some("same.proto".to_owned()),
            package: Some(package.to_owned()),
            message_type: vec![DescriptorProto { name: Some("M".to_owned()), ..Default::default() }],
            ..Default::default()
        };
        let mut files = Files::default();
        for package in ["one", "other"] {
            files.add(file(package).encode_to_vec().into()).unwrap();
        }
        assert!(files.defining("one.M").is_some() && files.defining("other.M").is_none());
        assert!(files.add(Bytes::from_static(b"\xff")).is_err());
    }
}
