#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/json_text.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

std::string access_list_sql(const std::string& acl, const std::string& implied) {
    return fmt::format(
        R"(jsonb_build_object('default', {0} IS NULL, 'grants',
             (SELECT coalesce(jsonb_agg(jsonb_build_array(pg_get_userbyid(x.grantor),
                                        CASE WHEN x.grantee = 0 THEN '' ELSE pg_get_userbyid(x.grantee)::text END,
                                        x.privilege_type, x.is_grantable)), '[]')
                FROM aclexplode(coalesce({0}, {1})) AS x)))",
        acl, implied);
}

access_list parse_access_list(const std::string& text) {
    const auto parsed = json_from(text);
    access_list list;
    list.is_default = parsed.at("default").as_bool();
    for (const auto& item : parsed.at("grants").as_array()) {
        const auto& entry = item.as_array();
        grant right;
        right.grantor = entry.at(0).as_string();
        right.grantee = entry.at(1).as_string();
        right.privilege = entry.at(2).as_string();
        right.grantable = entry.at(3).as_bool();
        list.grants.push_back(std::move(right));
    }
    return list;
}

std::string extension_sql(const std::string& catalog, const std::string& oid) {
    return fmt::format(
        R"(coalesce((SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                      WHERE d.classid = '{}'::regclass AND d.objid = {} AND d.deptype = 'e'
                        AND d.refclassid = 'pg_extension'::regclass), ''))",
        catalog, oid);
}

char read_char(const pg::result& rows, int row, const char* name) {
    const auto value = rows.view(row, rows.column(name));
    return value.empty() || value[0] == ' ' ? '\0' : value[0];
}

}  // namespace pgeist::catalog
