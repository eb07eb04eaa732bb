#include <fmt/format.h>

#include "readers.hpp"

namespace pgeist::catalog {

std::string operator_schemas_sql(const std::string& tree) {
    return fmt::format(R"(ARRAY(
        SELECT DISTINCT quote_ident(own.nspname)
          FROM regexp_matches({}, ':(?:opno|opnos \(o) ([0-9 ]+)', 'g') AS used,
               unnest(string_to_array(rtrim(used[1]), ' ')) AS one JOIN pg_operator o ON o.oid = one::oid
          JOIN pg_namespace own ON own.oid = o.oprnamespace WHERE own.nspname <> 'pg_catalog' ORDER BY 1))",
                       tree);
}

std::string extensions_sql(const std::string& catalog, const std::string& oid) {
    return fmt::format(R"(ARRAY(
        SELECT e.extname FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
         WHERE d.classid = '{}'::regclass AND d.objid = {} AND d.objsubid = 0 AND d.deptype = 'x'
           AND d.refclassid = 'pg_extension'::regclass ORDER BY 1))",
                       catalog, oid);
}

}  // namespace pgeist::catalog
