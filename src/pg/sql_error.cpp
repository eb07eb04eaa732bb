#include "pgeist/pg/sql_error.hpp"

#include <utility>

namespace pgeist::pg {

namespace {

std::string describe(const diagnostics& diag) {
    std::string text = diag.message;
    if (!diag.detail.empty()) {
        text += " (" + diag.detail + ")";
    }
    return text;
}

diagnostics timeout_diagnostics() {
    diagnostics diag;
    diag.sqlstate = sqlstate::query_canceled;
    diag.message = "no answer from the server within the time allowed";
    return diag;
}

}  // namespace

sql_error::sql_error(exit_code code, diagnostics diag, bool connection_broken, bool outcome_unknown)
    : error(code, describe(diag), diag.hint),
      diag_(std::move(diag)),
      connection_broken_(connection_broken),
      outcome_unknown_(outcome_unknown) {}

bool sql_error::blames_data() const noexcept {
    return in_class("22") || in_class("23") || in_class("44") || in_class("P0");
}

bool sql_error::blocked() const noexcept { return is(sqlstate::lock_not_available) || is(sqlstate::deadlock_detected); }

bool sql_error::passing() const noexcept { return blocked() || is(sqlstate::query_canceled); }

bool sql_error::retryable() const noexcept {
    if (outcome_unknown_) {
        return false;
    }
    // 53: out of resources, 57P0x: shutdown or crash of the server, 08: connection.
    return connection_broken_ || passing() || in_class("40") || in_class("08") || in_class("53") || in_class("57");
}

timed_out::timed_out(bool connection_broken)
    : sql_error(exit_code::connection_lost, timeout_diagnostics(), connection_broken, false) {}

}  // namespace pgeist::pg
