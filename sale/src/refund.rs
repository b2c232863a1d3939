//! How the amount of a refund is spread over the lines of the purchase.

use crate::ids::OrderId;

/// A line of an order, with what was refunded or is being refunded already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaidLine {
    pub order: OrderId,
    pub line_no: u32,
    pub quantity: u32,
    /// The price of one, in minor units.
    pub unit_amount: i64,
    /// Minor units of earlier refunds.
    pub refunded: i64,
}

impl PaidLine {
    /// What can still be refunded, in minor units.
    pub fn left(self) -> i64 {
        self.unit_amount.saturating_mul(i64::from(self.quantity)).saturating_sub(self.refunded)
    }

    /// How many whole units of the line this amount pays.
    fn units_within(self, amount: i64) -> u32 {
        amount.checked_div(self.unit_amount).and_then(|units| u32::try_from(units).ok()).unwrap_or(0)
    }
}

/// The part of a refund that belongs to one line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefundLine {
    pub order: OrderId,
    pub line_no: u32,
    /// Units that this refund completes: their whole price is refunded, together with earlier refunds.
    pub quantity: u32,
    /// Minor units.
    pub amount: i64,
}

/// Spreads an amount (minor units) over lines, starting at the first one with money left, so that the parts add up.
/// `None` when the amount is not positive, or more than is left of all lines.
pub fn spread(amount: i64, lines: &[PaidLine]) -> Option<Vec<RefundLine>> {
    let mut rest = amount;
    let mut parts = Vec::new();
    for line in lines {
        let part = rest.min(line.left());
        if part <= 0 {
            continue;
        }
        rest = rest.saturating_sub(part);
        let (before, after) = (line.refunded, line.refunded.saturating_add(part));
        let quantity = line.units_within(after).saturating_sub(line.units_within(before));
        parts.push(RefundLine { order: line.order, line_no: line.line_no, quantity, amount: part });
    }
    (amount > 0 && rest == 0).then_some(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::Timestamp;

    fn order() -> OrderId {
        OrderId::derive(Timestamp::from_millis(1), &[])
    }

    fn line(line_no: u32, quantity: u32, unit_amount: i64, refunded: i64) -> PaidLine {
        PaidLine { order: order(), line_no, quantity, unit_amount, refunded }
    }

    fn part(line_no: u32, quantity: u32, amount: i64) -> RefundLine {
        RefundLine { order: order(), line_no, quantity, amount }
    }

    #[test]
    fn the_first_line_with_money_left_comes_first() {
        let lines = [line(1, 2, 500, 1_000), line(2, 2, 300, 100), line(3, 1, 50, 0)];
        assert_eq!(spread(150, &lines), Some(vec![part(2, 0, 150)]));
        assert_eq!(spread(200, &lines), Some(vec![part(2, 1, 200)]));
        assert_eq!(spread(550, &lines), Some(vec![part(2, 2, 500), part(3, 1, 50)]));
        for outside in [551, 0, -1, i64::MAX, i64::MIN] {
            assert_eq!(spread(outside, &lines), None, "{outside}");
        }
        assert_eq!(spread(1, &[line(1, 3, 0, 0)]), None, "a free line has nothing to refund");
    }

    proptest! {
        /// Any refunds in any order: each is spread whole or refused, no line gives back more than it cost, and when
        /// all is given back all units are.
        #[test]
        fn refunds_add_up(
            prices in proptest::collection::vec((1_u32..5, 0_i64..400), 1..5),
            asked in proptest::collection::vec(-5_i64..700, 0..20),
        ) {
            let numbered = prices.iter().zip(1_u32..);
            let mut lines: Vec<_> = numbered.map(|((quantity, amount), n)| line(n, *quantity, *amount, 0)).collect();
            let paid: i64 = lines.iter().map(|line| line.left()).sum();
            let (mut given_back, mut units) = (0, vec![0; lines.len()]);
            let mut refund = |amount: i64| {
                let left = paid - given_back;
                let Some(parts) = spread(amount, &lines) else { return (amount <= 0 || amount > left, left) };
                let sum: i64 = parts.iter().map(|part| part.amount).sum();
                for part in parts {
                    let at = part.line_no as usize - 1;
                    lines[at].refunded += part.amount;
                    units[at] += part.quantity;
                }
                given_back += sum;
                (sum == amount && lines.iter().all(|line| line.left() >= 0), paid - given_back)
            };
            let mut left = paid;
            for amount in asked {
                let (is_right, now_left) = refund(amount);
                prop_assert!(is_right, "{amount}");
                left = now_left;
            }
            if left > 0 {
                prop_assert_eq!(refund(left), (true, 0));
                for (line, units) in lines.iter().zip(&units) {
                    prop_assert_eq!(*units, if line.unit_amount > 0 { line.quantity } else { 0 });
                }
            }
        }
    }
}
