#include <fmt/format.h>

#include <set>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* given_rights_check = "given_rights";

/// Rights stay in the name of who gave them, and only that role can give them again.
std::set<std::string> grantors(const catalog::table& of) {
    std::set<std::string> roles;
    const auto add = [&](const catalog::access_list& list) {
        for (const auto& each : list.grants) {
            roles.insert(each.grantor);
        }
    };
    add(of.acl);
    add(of.type_acl);
    for (const auto& column : of.columns) {
        add(column.acl);
    }
    for (const auto& sequence : of.sequences) {
        if (sequence.identity) {
            add(sequence.acl);
        }
    }
    roles.erase(of.owner);
    return roles;
}

}  // namespace

awaitable<void> check_given_rights(const subject& what, findings& into) {
    // As in the check of the table's own rights: servers before 16 do not tell SET from membership.
    const std::string become = what.conn.server_major() >= 16 ? "SET" : "MEMBER";
    for (const auto& grantor : grantors(*what.source)) {
        const auto rows =
            co_await what.conn.query("SELECT pg_has_role(oid, $2) FROM pg_roles WHERE rolname = $1", grantor, become);
        if (!rows.empty() && !rows.boolean(0, 0)) {
            const std::string role = quote_identifier(grantor);
            refuse(into, given_rights_check,
                   fmt::format("{} gave rights on {} to others, and only a member of that role can give them again",
                               role, what.source->name.display()),
                   fmt::format("connect as a superuser, or GRANT {} TO {}", role, quote_identifier(what.conn.user())));
        }
    }
}

}  // namespace pgeist::check
