#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "pgeist/transfer/spec.hpp"

/// What a change touched, as the log has it: `bit(n)`, one bit for each column::watched column of the write side, in
/// their order. Before them stands one that says nothing is known of the change: the comparison has asked for the row.
namespace pgeist::transfer {

/// Whether touches are logged, and rows remembered. Ways back that earlier versions have opened log none.
[[nodiscard]] bool logs_touched(const spec& transfer);
[[nodiscard]] std::size_t touched_bits(const spec& transfer);

/// The place of a column's bit, nullopt where it is not watched. `place`: in spec::columns.
[[nodiscard]] std::optional<std::size_t> touched_bit(const spec& transfer, std::size_t place);

/// Literals: `B'000'`, `B'011'`, `B'100'`.
[[nodiscard]] std::string none_touched(const spec& transfer);
[[nodiscard]] std::string all_touched(const spec& transfer);
[[nodiscard]] std::string unknown_touched(const spec& transfer);

/// Over OLD and NEW of the read side, as a trigger's WHEN sees them: the bits, and whether there is one.
[[nodiscard]] std::string touched_by_change(const spec& transfer);
[[nodiscard]] std::string touches(const spec& transfer);

/// Behind the keys of rows that the comparison asks for: `, touched` and `, B'100'`, or nothing.
[[nodiscard]] std::string asked_column(const spec& transfer);
[[nodiscard]] std::string asked_value(const spec& transfer);

/// Whether what the write side keeps cannot be derived from what both sides have now, so that replay notes what it was
/// when it was last seen untouched.
[[nodiscard]] bool is_held(const column& of);

/// Whether that is also so for what was brought: the user's own expression reads columns that may change without the
/// value being brought again, when the tables have changed places.
[[nodiscard]] bool holds_what_was_brought(const spec& transfer, std::size_t place);

/// What the way back `from` has noted of values that nothing gives any more goes on to `to`, the transfer in the other
/// direction that begins when the tables change places: SQL that may be repeated, and does nothing when the log of
/// `from` is gone. Empty: there is nothing of the kind.
[[nodiscard]] std::string take_over_sql(const spec& from, const spec& to);

}  // namespace pgeist::transfer
