#include <fmt/format.h>

#include "checks.hpp"
#include "pgeist/catalog/relation_kind.hpp"

namespace pgeist::check {

namespace {

constexpr const char* table_kind_check = "table_kind";

std::string kind_hint(char kind) {
    if (kind == 'p') {
        return "change its partitions one by one";
    }
    return kind == 'v' || kind == 'm' ? "give the table under it" : "";
}

void judge_relation(const catalog::relation& found, findings& into) {
    const std::string shown = found.name.display();
    if (found.kind != 'r') {
        refuse(into, table_kind_check,
               fmt::format("{} is {}, not an ordinary table", shown, catalog::kind_name(found.kind)),
               kind_hint(found.kind));
    } else if (found.persistence == 't') {
        refuse(into, table_kind_check, fmt::format("{} is a temporary table", shown),
               "only its own session sees it: alter it there");
    }
    if (catalog::is_system_schema(found.name.schema)) {
        refuse(into, table_kind_check, fmt::format("{} belongs to the system or to pgeist", shown));
    }
}

void judge_table(const catalog::table& source, findings& into) {
    const std::string shown = source.name.display();
    if (source.has_children && source.kind != 'p') {
        refuse(into, table_kind_check, fmt::format("other tables inherit from {}", shown),
               "a table with inheritance children is not done yet");
    }
    if (source.of_type != 0) {
        refuse(into, table_kind_check, fmt::format("{} is a typed table (CREATE TABLE … OF)", shown));
    }
    if (!source.extension.empty()) {
        refuse(into, table_kind_check, fmt::format("{} belongs to extension {}", shown, source.extension),
               "the extension's own scripts change it");
    }
}

}  // namespace

awaitable<void> check_table_kind(const subject& what, findings& into) {
    if (!what.found) {
        refuse(into, table_kind_check, fmt::format("there is no table {}", what.change.table.display()),
               what.change.table.schema.empty() ? "give its schema too, if it is not in your search_path" : "");
    } else {
        judge_relation(*what.found, into);
    }
    if (what.source != nullptr) {
        judge_table(*what.source, into);
    }
    co_return;
}

}  // namespace pgeist::check
