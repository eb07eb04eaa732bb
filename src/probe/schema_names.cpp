#include "schema_names.hpp"

#include "pgeist/ddl/lexer.hpp"

namespace pgeist::probe {

std::string written(const std::string& space, const std::string& name) {
    return ddl::sql_name(space) + "." + ddl::sql_name(name);
}

std::string space_of(const std::string& relation) {
    const auto tokens = ddl::tokens_of(relation);
    return tokens.size() == 3 ? tokens[0].text : "public";
}

std::string bare_name(const std::string& relation) {
    const auto tokens = ddl::tokens_of(relation);
    return tokens.empty() ? relation : tokens.back().text;
}

}  // namespace pgeist::probe
