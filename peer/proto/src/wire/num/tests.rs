use core::fmt::{Debug, Display};

use super::*;

/// Every number of the range prints as its name or as hex of the full width, and no two alike.
fn prints_its_full_range<T: Copy + Display + Debug>(
    numbers: impl Iterator<Item = u16>,
    width: usize,
    known: &[u16],
    make: impl Fn(u16) -> T,
    name: impl Fn(T) -> Option<&'static str>,
) {
    let mut names = std::collections::HashSet::new();
    for number in numbers {
        let value = make(number);
        let text = value.to_string();
        assert_eq!(text, format!("{value:?}"));
        assert_eq!(name(value).is_some(), known.contains(&number), "{number}");
        match name(value) {
            Some(name) => assert_eq!(text, name),
            None => assert_eq!(text, format!("0x{number:0width$x}")),
        }
        assert!(names.insert(text), "two numbers print alike: {value}");
    }
}

macro_rules! full_range {
    ($($test:ident: $registry:ident($int:ty),)+) => {$(
        #[test]
        fn $test() {
            let known: Vec<u16> =
                $registry::KNOWN.iter().map(|number| u16::from(number.0)).collect();
            assert!(known.is_sorted(), "the registry is in order");
            prints_its_full_range(
                (0..=<$int>::MAX).map(u16::from),
                2 * size_of::<$int>(),
                &known,
                |number| $registry(number as $int),
                $registry::name,
            );
            for number in 0..=<$int>::MAX {
                let json = serde_json::to_string(&$registry(number)).unwrap();
                assert_eq!(json, number.to_string());
                assert_eq!(serde_json::from_str::<$registry>(&json).unwrap(), $registry(number));
            }
        }
    )+};
}

full_range! {
    payload_types: PayloadType(u8),
    exchange_types: ExchangeType(u8),
    protocol_ids: ProtocolId(u8),
    transform_types: TransformType(u8),
    encryption_ids: EncrId(u16),
    prf_ids: PrfId(u16),
    integrity_ids: IntegId(u16),
    group_ids: GroupId(u16),
    esn_ids: EsnId(u16),
    notify_types: NotifyType(u16),
    auth_methods: AuthMethod(u8),
    id_types: IdType(u8),
    cert_encodings: CertEncoding(u8),
    ts_types: TsType(u8),
    cfg_types: CfgType(u8),
    cfg_attributes: CfgAttr(u16),
}

#[test]
fn notify_types_below_16384_are_errors() {
    for number in 0..=u16::MAX {
        assert_eq!(NotifyType(number).is_error(), number < 16384);
    }
}
