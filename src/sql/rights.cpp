#include "pgeist/sql/rights.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace pgeist::sql {

namespace {

bool has(const catalog::access_list& list, const catalog::grant& wanted) {
    return std::any_of(list.grants.begin(), list.grants.end(), [&](const catalog::grant& each) {
        return each.grantor == wanted.grantor && each.grantee == wanted.grantee && each.privilege == wanted.privilege &&
               each.grantable == wanted.grantable;
    });
}

std::string role_sql(const std::string& role) { return role.empty() ? "PUBLIC" : quote_identifier(role); }

/// GRANT names no other grantor than the role that runs it; what an owner or a superuser grants is granted by the
/// owner.
std::string as_grantor(const std::string& grantor, const std::string& owner, std::string sql) {
    if (grantor == owner) {
        return sql;
    }
    return fmt::format("SET LOCAL ROLE {}; {}; RESET ROLE", quote_identifier(grantor), sql);
}

}  // namespace

statements change_rights(const std::string& object, const std::string& column, const catalog::access_list& wanted,
                         const catalog::access_list& found, const std::string& owner, bool owners_too) {
    statements all;
    const std::string columns = column.empty() ? "" : fmt::format(" ({})", quote_identifier(column));
    for (const auto& each : found.grants) {
        const bool owners = each.grantee == owner;
        if ((owners_too || !owners) && !has(wanted, each)) {
            all.push_back({"rights on " + object, fmt::format("REVOKE {}{} ON {} FROM {}", each.privilege, columns,
                                                              object, role_sql(each.grantee))});
        }
    }
    for (const auto& each : wanted.grants) {
        if (!has(found, each)) {
            std::string sql = fmt::format("GRANT {}{} ON {} TO {}{}", each.privilege, columns, object,
                                          role_sql(each.grantee), each.grantable ? " WITH GRANT OPTION" : "");
            all.push_back({"rights on " + object, as_grantor(each.grantor, owner, std::move(sql))});
        }
    }
    // Rights that were given and all taken back are the rights of NULL again, but no longer NULL.
    if (all.empty() && found.is_default && !wanted.is_default && !wanted.grants.empty()) {
        const auto& same = wanted.grants.front();
        all.push_back({"rights on " + object,
                       fmt::format("GRANT {}{} ON {} TO {}", same.privilege, columns, object, role_sql(same.grantee))});
    }
    return all;
}

statements rights_of_new(const std::string& object, const catalog::access_list& wanted,
                         const catalog::access_list& implied, const std::string& owner,
                         const std::vector<std::string>& strangers) {
    if (wanted.is_default && strangers.empty()) {
        return {};
    }
    std::string others = "PUBLIC";
    for (const auto& role : strangers) {
        others += role == owner ? "" : ", " + quote_identifier(role);
    }
    statements all{{"rights on " + object, fmt::format("REVOKE ALL ON {} FROM {}", object, others)}};
    catalog::access_list found;  // after that
    std::copy_if(implied.grants.begin(), implied.grants.end(), std::back_inserter(found.grants),
                 [&](const catalog::grant& each) { return each.grantee == owner; });
    for (auto& each : change_rights(object, "", wanted, found, owner, true)) {
        all.push_back(std::move(each));
    }
    return all;
}

}  // namespace pgeist::sql
