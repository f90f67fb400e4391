//! SIRET and FINESS numbers and their check digits.

/// Letters and digits alone, in upper case.
pub fn digits(number: &str) -> String {
    number
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_uppercase()
}

/// A SIRET's check digits: Luhn over 14, or the sum rule of La Poste (SIREN 356000000).
pub fn siret_valid(number: &str) -> bool {
    if number.len() != 14 || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    luhn(number)
        || (number.starts_with("356000000")
            && number
                .bytes()
                .map(|byte| u32::from(byte - b'0'))
                .sum::<u32>()
                % 5
                == 0)
}

/// A SIREN's check digit.
pub fn siren_valid(number: &str) -> bool {
    number.len() == 9 && number.bytes().all(|byte| byte.is_ascii_digit()) && luhn(number)
}

/// A FINESS number's key, Luhn over nine digits; Corsican numbers (2A, 2B) are not checked.
pub fn finess_valid(number: &str) -> bool {
    if number.len() != 9 {
        return false;
    }
    if number.starts_with("2A") || number.starts_with("2B") {
        return number[2..].bytes().all(|byte| byte.is_ascii_digit());
    }
    number.bytes().all(|byte| byte.is_ascii_digit()) && luhn(number)
}

fn luhn(number: &str) -> bool {
    let sum: u32 = number
        .bytes()
        .rev()
        .enumerate()
        .map(|(index, byte)| {
            let digit = u32::from(byte - b'0');
            if index % 2 == 0 {
                digit
            } else if digit > 4 {
                digit * 2 - 9
            } else {
                digit * 2
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_checked() {
        // A SIREN and its NIC by Luhn; the post office by its own sum.
        assert!(siret_valid("73282932000074"));
        assert!(!siret_valid("73282932000075"));
        assert!(siret_valid("35600000000048"));
        assert!(!siret_valid("7328293200007"));
        assert!(finess_valid("750712184"));
        assert!(!finess_valid("750712185"));
        assert!(finess_valid("2A0000014"));
        assert!(!finess_valid("2A00000AB"));
        assert_eq!(digits(" 732 829 320 00074 "), "73282932000074");
    }
}
