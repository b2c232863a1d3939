//! The mails in Korean.

use super::{Facts, Subject, Text};

pub(super) fn compose(facts: &Facts) -> Text {
    let (subject, opening) = match facts.subject {
        Subject::Placed => ("주문이 접수되었습니다", placed(facts)),
        Subject::Paid => (
            "결제가 완료되었습니다",
            "결제가 확인되었습니다. 주문하신 상품은 고객님의 것입니다.".to_owned(),
        ),
        Subject::Declined => (
            "결제가 승인되지 않았습니다",
            "결제가 승인되지 않아 주문이 끝났습니다. 청구된 금액은 없습니다. 보관 중이던 상품은 다음 분께 돌아갔습니다.".to_owned(),
        ),
        Subject::Expired => (
            "결제 시간이 지났습니다",
            "결제 시간이 지나 주문이 끝났습니다. 청구된 금액은 없습니다. 보관 중이던 상품은 다음 분께 돌아갔습니다.".to_owned(),
        ),
        Subject::Cancelled => (
            "주문이 취소되었습니다",
            "요청하신 대로 주문이 취소되었습니다. 청구된 금액은 없습니다.".to_owned(),
        ),
    };
    Text {
        subject: format!("[{}] {subject}", facts.sale_name),
        body: format!(
            "안녕하십니까.\n\n{opening}\n\n{}\n{}\n합계: {}\n\n주문 번호: {}\n주문 확인: {}\n\n\
             주문은 구매하실 때 사용한 브라우저에서 열립니다.\n",
            facts.sale_name,
            facts.list(),
            facts.total,
            facts.order,
            facts.link
        ),
    }
}

fn placed(facts: &Facts) -> String {
    match &facts.hold_until {
        Some(until) => {
            format!("주문이 접수되었습니다. 상품은 {until}까지 보관됩니다. 그 전에 결제해 주시기 바랍니다.")
        }
        None => "주문이 접수되었습니다. 지금 상태는 아래 주소에서 확인하실 수 있습니다.".to_owned(),
    }
}
