#include "pgeist/plan/migration_file.hpp"

#include <algorithm>
#include <array>
#include <optional>

#include <fmt/format.h>

#include "file_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/identifier.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "pgeist/ddl/migration.hpp"

namespace pgeist::plan {

namespace {

using ddl::statement;
using ddl::statement_kind;
using words = std::vector<ddl::token>;

bool is(const words& all, std::size_t at, std::string_view word) { return at < all.size() && all[at].is(word); }

bool has(const words& all, std::string_view word) {
    return std::any_of(all.begin(), all.end(), [&](const ddl::token& each) { return each.is(word); });
}

/// Why the statement can be in no transaction, and no step be recorded with it; empty: it can.
std::string needs_no_transaction(const statement& what, const words& all) {
    if (what.kind == statement_kind::create_database ||
        (is(all, 0, "alter") && is(all, 1, "database") && has(all, "tablespace"))) {
        return "PostgreSQL does not run it in a transaction";
    }
    if (what.kind == statement_kind::reindex && what.object == ddl::object_kind::database) {
        return "PostgreSQL does not run it in a transaction: name tables or indexes";
    }
    if (!is(all, 1, "subscription")) {
        return "";
    }
    const bool off = has(all, "false") || has(all, "off");
    const bool replaces = is(all, 0, "alter") && (has(all, "refresh") || has(all, "publication")) && !off;
    const bool begins = is(all, 0, "create") && !(off && (has(all, "create_slot") || has(all, "connect")));
    return begins || replaces || is(all, 0, "drop") ? "PostgreSQL does not run it in a transaction" : "";
}

bool is_definition(const words& all) {
    static constexpr std::array known{"create", "alter", "drop", "comment", "grant", "revoke", "reindex"};
    return std::any_of(known.begin(), known.end(), [&](const char* each) { return is(all, 0, each); });
}

/// For what is newer than the parser: the server will read it.
bool is_query(const words& all) {
    static constexpr std::array known{"insert", "update", "delete", "select", "with", "values", "do"};
    return std::any_of(known.begin(), known.end(), [&](const char* each) { return is(all, 0, each); });
}

/// How a statement is run; nothing: not at all.
std::optional<treatment> treatment_of(const statement& what, const words& all) {
    using enum statement_kind;
    switch (what.kind) {
        case alter_table:
            return what.object == ddl::object_kind::table ? treatment::alteration : treatment::definition;
        case set:
        case reset:
            return treatment::setting;
        case update:
        case remove:
            // Only over its own table; with another one it is not a backfill.
            return what.reads.empty() && !is(all, 0, "with") ? treatment::rows : treatment::as_is;
        case insert:
        case select:
        case perform:
            return treatment::as_is;
        case truncate:
        case cluster:
        case vacuum:
        case analyze:
        case repack:
        case refresh:
        case lock_table:
        case merge:
        case copy:
        case rollback:
        case savepoint:
        case release:
        case rollback_to:
        case prepare_transaction:
        case call:
            return std::nullopt;
        case not_understood:
            if (is_query(all) && !what.parse_error.empty()) {
                return treatment::as_is;
            }
            break;
        default:
            break;
    }
    return is_definition(all) ? std::optional(treatment::definition) : std::nullopt;
}

/// The first words, for messages: TRUNCATE, LOCK TABLE.
std::string called(const words& all) {
    std::string name;
    for (std::size_t at = 0; at < all.size() && at < 2 && all[at].kind == ddl::token_kind::word; ++at) {
        const bool verb = at == 0 || is(all, 1, "table") || is(all, 1, "to") || is(all, 1, "database") ||
                          is(all, 1, "subscription") || is(all, 1, "transaction") || is(all, 1, "materialized") ||
                          is(all, 1, "system") || is(all, 1, "tablespace") || is(all, 1, "savepoint");
        if (verb) {
            name += (name.empty() ? "" : " ") + all[at].text;
        }
    }
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char each) { return std::toupper(each); });
    return name.empty() ? "this statement" : name;
}

std::string without_blank(const std::string& text, const words& all) {
    std::string made;
    for (const ddl::token& each : all) {
        made += (made.empty() ? "" : " ") + text.substr(each.begin, each.end - each.begin);
    }
    return made;
}

/// Goes through a file's statements in their order.
class reader {
public:
    explicit reader(migration_file& into) : into_(&into) {}

    void add(ddl::step each) {
        const words all = ddl::tokens_of(each.what.text);
        using enum statement_kind;
        const auto kind = each.what.kind;
        if (kind == begin || kind == commit) {
            warn_once(begun_, each,
                      fmt::format("{} is ignored: each statement is a transaction of its own, and stays "
                                  "when a later one fails",
                                  called(all)));
            return;
        }
        const std::string why = refusal(each.what, all);
        if (!why.empty()) {
            refused_.push_back(into_->place(each.what.begin.line) + ": " + why);
            return;
        }
        file_statement made;
        made.settings = session_.now(each.transaction);
        const std::string idle = session_.take(each.what, each.transaction);
        if (!idle.empty()) {
            into_->warnings.push_back(fmt::format("{}: {} is ignored: {}", into_->place(each.what.begin.line),
                                                  without_blank(each.what.text, all), idle));
            return;
        }
        made.how = *treatment_of(each.what, all);
        if (kind == set) {
            made.once = session_.now(each.transaction).back().sql;
        }
        into_->identity += without_blank(each.what.text, all) + ";\n";
        made.what = std::move(each.what);
        into_->statements.push_back(std::move(made));
    }

    void finish() const {
        if (refused_.empty()) {
            return;
        }
        throw error(exit_code::refused, join(refused_, "; "),
                    "nothing was run: a migration file has CREATE, ALTER, DROP, COMMENT, GRANT, REVOKE, REINDEX, "
                    "INSERT, UPDATE, DELETE, SELECT, SET and DO; run the rest by itself");
    }

private:
    [[nodiscard]] static std::string refusal(const statement& what, const words& all) {
        if (what.kind == statement_kind::not_understood && !what.parse_error.empty() && what.error_at == what.begin &&
            what.why.ends_with("at the end of the file")) {
            return what.why;
        }
        const std::string alone = needs_no_transaction(what, all);
        if (!alone.empty()) {
            return fmt::format("{} cannot be run from a migration file: {}", called(all), alone);
        }
        if (what.temporary) {
            return "a temporary table does not live until the next statement, which another session may run";
        }
        if (!treatment_of(what, all)) {
            const bool rejected = what.kind == statement_kind::not_understood && !what.parse_error.empty();
            return rejected ? what.parse_error : fmt::format("{} cannot be run from a migration file", called(all));
        }
        return "";
    }

    void warn_once(bool& told, const ddl::step& at, const std::string& text) {
        if (!told) {
            into_->warnings.push_back(into_->place(at.what.begin.line) + ": " + text);
        }
        told = true;
    }

    migration_file* into_;
    file_settings session_;
    std::vector<std::string> refused_;
    bool begun_ = false;
};

void refuse_command(const migration_file& file, const ddl::piece& each) {
    const bool command = each.kind == ddl::piece_kind::meta_command;
    if (!command && each.ended_by.empty()) {
        return;
    }
    const std::string text = command ? each.text.substr(0, each.text.find_first_of(" \t\r\n")) : each.ended_by;
    throw usage_error(fmt::format("{}: {} is a command of psql, not SQL",
                                  file.place(command ? each.begin.line : each.end_line), text),
                      "take it out, or run the file with psql");
}

}  // namespace

std::string migration_file::place(std::size_t line) const {
    return fmt::format("{}:{}", name == "-" ? "standard input" : name, line);
}

migration_file read_migration_file(std::string name, std::string_view text) {
    migration_file made;
    made.name = std::move(name);
    const ddl::script cut = ddl::split(text);
    const std::string_view whole = text.starts_with("\xEF\xBB\xBF") ? text.substr(3) : text;
    if (!cut.problem.empty() || cut.text != whole) {
        throw usage_error(fmt::format("{}: {}", made.name, cut.problem.empty() ? "it is not UTF-8" : cut.problem));
    }
    ddl::migration read = ddl::read_migration(made.name, text);
    reader each(made);
    bool left_out = false;
    for (std::size_t at = 0; at < read.steps.size(); ++at) {  // a piece each
        left_out = left_out || read.steps[at].down;
        if (!read.steps[at].down) {
            refuse_command(made, cut.pieces.at(at));
            each.add(std::move(read.steps[at]));
        }
    }
    each.finish();
    if (made.statements.empty()) {
        throw usage_error(fmt::format("there is no statement in {}{}", made.name == "-" ? "standard input" : made.name,
                                      left_out ? " but in the section that takes the change back" : ""));
    }
    return made;
}

}  // namespace pgeist::plan
