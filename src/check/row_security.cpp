#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

awaitable<void> check_row_security(const subject& what, findings& into) {
    const auto rows = co_await what.conn.query("SELECT row_security_active($1::oid), current_user", what.source->oid);
    const std::string shown = what.source->name.display();
    if (rows.boolean(0, 0)) {
        refuse(into, "row_security",
               fmt::format("row level security hides rows of {} from role {}: they would be lost", shown,
                           quote_identifier(rows.view(0, 1))),
               "connect as a role with BYPASSRLS, or as the owner if it is not forced");
    }
}

}  // namespace pgeist::check
