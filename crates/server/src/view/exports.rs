//! Exports, as the API says them.

use vaultterm_contract::{ExportFormatView, ExportLossView, ExportReviewView};
use vaultterm_operations::exports::{FormatReview, Review};

pub(crate) fn review(review: &Review) -> ExportReviewView {
    ExportReviewView {
        records: review.records,
        inject_only: review.inject_only.iter().map(|path| path.as_str().to_owned()).collect(),
        formats: review.formats.iter().map(format).collect(),
    }
}

fn format(review: &FormatReview) -> ExportFormatView {
    let losses = review.losses.iter();
    let losses = losses.map(|(loss, example)| ExportLossView { loss: loss.into(), example: example.clone() });
    ExportFormatView {
        format: review.format,
        records: review.records,
        left_out: review.left_out,
        trash_held: review.trash_held,
        trash_left: review.trash_left,
        losses: losses.collect(),
    }
}
