#include "cli/sql_statements.hpp"

#include "pgeist/ddl/lexer.hpp"

namespace pgeist::cli {

namespace {

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blank = " \t\n\r\f\v";
    const std::size_t first = text.find_first_not_of(blank);
    return first == text.npos ? std::string_view() : text.substr(first, text.find_last_not_of(blank) - first + 1);
}

}  // namespace

std::vector<std::string> split_statements(std::string_view script) {
    std::vector<std::string> statements;
    std::size_t begin = 0;
    bool substance = false;
    const auto end_statement = [&](std::size_t end) {
        if (substance) {
            statements.emplace_back(trimmed(script.substr(begin, end - begin)));
        }
        substance = false;
    };
    ddl::lexer scanner(script);
    for (ddl::token each; scanner.next(each);) {
        if (each.is_sign(';')) {
            end_statement(each.begin);
            begin = each.end;
        } else if (each.kind != ddl::token_kind::comment) {
            substance = true;
        }
    }
    end_statement(script.size());
    return statements;
}

}  // namespace pgeist::cli
