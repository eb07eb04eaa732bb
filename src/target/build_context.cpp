#include "pgeist/target/steps.hpp"

#include <cctype>

#include <fmt/format.h>

#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::target {

namespace {

void replace_all(std::string& text, const std::string& from, const std::string& to) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
}

}  // namespace

build_context::build_context(pg::connection& connection, const catalog::table& table,
                             const plan::change_request& request, std::string schema)
    : conn(connection),
      source(table),
      change(request),
      job_schema(std::move(schema)),
      passage_schema(job_schema + "_old"),
      shadow{job_schema, table.name.name} {}

const build_context* in_group(const build_context& at, std::int64_t real_oid) {
    for (const build_context* each : at.group) {
        if (each->source.oid == real_oid) {
            return each;
        }
    }
    return nullptr;
}

const catalog::column* kept_column(const build_context& at, const catalog::table& after, int attnum) {
    for (const auto& [shadow, source] : at.source_attnums) {
        if (source == attnum) {
            return after.find_column(shadow);
        }
    }
    return nullptr;
}

void note_changes(build_context& at, const catalog::table& after) {
    at.retypes = false;
    at.changes_columns = false;
    at.renamed.clear();
    for (const catalog::column& column : at.source.columns) {
        const auto* kept = kept_column(at, after, column.attnum);
        const bool retyped = kept != nullptr && (kept->type != column.type || kept->collation != column.collation);
        at.retypes = at.retypes || retyped;
        at.changes_columns = at.changes_columns || retyped || kept == nullptr || kept->name != column.name;
        if (kept != nullptr && kept->name != column.name) {
            at.renamed[column.name] = kept->name;
        }
    }
}

awaitable<void> try_statements(build_context& at, std::vector<plan::statement> statements, std::string fails) {
    for (const auto& each : statements) {
        std::optional<pg::sql_error> failed;
        try {
            co_await at.conn.execute(each.sql);
        } catch (const pg::sql_error& problem) {
            failed = problem;
        }
        if (failed && (failed->poisons_connection() || failed->is(pg::sqlstate::lock_not_available))) {
            throw *failed;
        }
        if (failed) {
            throw error(exit_code::refused,
                        fmt::format("{}: {}", fmt::format(fmt::runtime(fails), each.label, at.source.name.display()),
                                    in_user_words(at, failed->diag().message)),
                        hint_for(at, *failed));
        }
    }
}

awaitable<void> run_statements(build_context& at, std::vector<plan::statement> statements) {
    at.made.insert(at.made.end(), statements.begin(), statements.end());
    co_await try_statements(at, std::move(statements), "cannot rebuild {} on a copy of {}");
}

awaitable<void> begin_trial(build_context& at) { co_await at.conn.execute("SAVEPOINT pgeist_trial"); }

awaitable<void> undo_trial(build_context& at) {
    co_await at.conn.execute("ROLLBACK TO SAVEPOINT pgeist_trial; RELEASE SAVEPOINT pgeist_trial");
}

awaitable<std::int64_t> table_oid(pg::connection& conn, qualified_name name) {
    const auto rows = co_await conn.query("SELECT to_regclass($1)::oid", name.sql());
    co_return rows.integer(0, 0);
}

std::string moved_literals(const build_context& at, const std::string& text) {
    const std::string& printed = at.source.printed_name;
    std::size_t end = printed.find('.');
    if (printed.front() == '"') {
        for (end = printed.find('"', 1); printed[end + 1] == '"'; end = printed.find('"', end + 2)) {
        }
        ++end;
    }
    return renamed_schema(text, at.job_schema + ".", printed.substr(0, end + 1), names_in::literals);
}

namespace {

/// The place after what is quoted at `at`; a doubled quote belongs to it.
std::size_t end_of_quoted(const std::string& text, std::size_t at) {
    const char quote = text[at];
    for (std::size_t end = text.find(quote, at + 1); end != std::string::npos; end = text.find(quote, end + 2)) {
        if (end + 1 == text.size() || text[end + 1] != quote) {
            return end + 1;
        }
    }
    return text.size();
}

bool is_part_of_name(char c) {
    const auto letter = static_cast<unsigned char>(c);
    return std::isalnum(letter) != 0 || c == '_' || c == '$' || letter >= 0x80;
}

}  // namespace

std::string renamed_schema(const std::string& text, const std::string& from, const std::string& to, names_in where) {
    std::string in_literal = to;
    replace_all(in_literal, "'", "''");
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        std::size_t end = at + 1;
        if (text[at] == '\'' || text[at] == '"') {
            end = end_of_quoted(text, at);
        } else if (is_part_of_name(text[at])) {
            while (end < text.size() && is_part_of_name(text[end])) {
                ++end;
            }
        }
        const std::string token = text.substr(at, end - at);
        // The server prints the name of an object as a literal only of these types; any other literal is a value.
        if (text[at] == '\'' && token.compare(1, from.size(), from) == 0 && text.compare(end, 5, "::reg") == 0) {
            out += "'" + in_literal + token.substr(1 + from.size());
        } else if (where == names_in::text && token + "." == from && end < text.size() && text[end] == '.') {
            out += to;
            ++end;
        } else {
            out += token;
        }
        at = end;
    }
    return out;
}

std::string in_user_words(const build_context& at, const std::string& message) {
    std::string text = message;
    for (const char* suffix : {"_home_old", "_home", "_old", ""}) {  // those of a rehearsal, too
        replace_all(text, at.job_schema + suffix + ".", "");
    }
    replace_all(text, "\n", "; ");
    return text;
}

awaitable<pg::result> read_definition(build_context& at, std::string sql, std::int64_t oid) {
    co_await at.conn.execute(catalog::reading_settings);
    pg::result rows = co_await at.conn.query(std::move(sql), oid);
    co_await at.conn.execute(catalog::session_settings(at.conn));
    co_return rows;
}

std::string with_schemas(const std::string& path, const catalog::operator_schemas& schemas) {
    return schemas.empty() ? path : fmt::format("{}, {}", path, join(schemas, ", "));
}

}  // namespace pgeist::target
