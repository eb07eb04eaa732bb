#include "pgeist/ddl/sql_text.hpp"
#include "pgeist/plan/alter.hpp"

namespace pgeist::plan {

std::vector<std::string> split_statements(const std::string& script) {
    // By the scanner, not the parser: statements newer than the parser must come through. Only one kind of statement
    // has semicolons inside (the body of a SQL function), and that one is no ALTER TABLE.
    std::vector<std::string> statements;
    std::size_t begin = 0;
    std::size_t end = 0;
    bool open = false;
    for (const auto& each : ddl::sql_text::scan(script)) {
        if (each.sign == ';') {
            if (open) {
                statements.push_back(script.substr(begin, end - begin));
            }
            open = false;
            continue;
        }
        begin = open ? begin : each.begin;
        end = each.end;
        open = true;
    }
    if (open) {
        statements.push_back(script.substr(begin, end - begin));
    }
    return statements;
}

}  // namespace pgeist::plan
