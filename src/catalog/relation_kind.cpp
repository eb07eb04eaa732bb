#include "pgeist/catalog/relation_kind.hpp"

#include <map>

namespace pgeist::catalog {

std::string kind_name(char relkind) {
    static const std::map<char, std::string> names{
        {'p', "a partitioned table"}, {'f', "a foreign table"}, {'v', "a view"},   {'m', "a materialized view"},
        {'S', "a sequence"},          {'i', "an index"},        {'I', "an index"}, {'t', "a TOAST table"},
        {'c', "a composite type"},
    };
    const auto found = names.find(relkind);
    return found != names.end() ? found->second : "not a table";
}

bool is_system_schema(const std::string& schema) {
    return schema == "information_schema" || schema == "pgeist" || schema.starts_with("pg_") ||
           (schema.starts_with("pgeist_") && schema.find_first_not_of("0123456789", 7) == std::string::npos);
}

}  // namespace pgeist::catalog
