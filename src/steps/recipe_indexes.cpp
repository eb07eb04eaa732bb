// Indexes, also those of constraints: built CONCURRENTLY.

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/ddl/index_definition.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "recipes.hpp"

namespace pgeist::steps {

namespace {

using ddl::token;

/// What UNIQUE or PRIMARY KEY is made of, as written.
struct key_text {
    std::string columns;     ///< `(a, b)`
    std::string include;     ///< `INCLUDE (c)`
    std::string nulls;       ///< `NULLS NOT DISTINCT`
    std::string options;     ///< `WITH (fillfactor = 70)`
    std::string tablespace;  ///< `TABLESPACE fast`
    std::string rest;        ///< `DEFERRABLE …`
    bool understood = false;
};

/// Reads what comes behind UNIQUE or PRIMARY KEY.
class key_reader {
public:
    explicit key_reader(const std::string& text) : text_(text), tokens_(ddl::tokens_of(text)) {}

    key_text read() {
        key_text made;
        if (!to_keyword()) {
            return made;
        }
        if (is("nulls")) {
            const std::size_t from = at_;
            while (at_ < tokens_.size() && !tokens_[at_].is_sign('(')) {
                ++at_;
            }
            made.nulls = text_of(from, at_);
        }
        made.columns = parenthesized();
        if (is("include")) {
            ++at_;
            made.include = "INCLUDE " + parenthesized();
        }
        if (is("with")) {
            ++at_;
            made.options = "WITH " + parenthesized();
        }
        if (is("using")) {  // INDEX TABLESPACE name
            at_ += 2;
            if (!is("tablespace")) {
                return made;
            }
            made.tablespace = text_of(at_, at_ + 2);
            at_ += 2;
        }
        made.rest = text_of(at_, tokens_.size());
        const bool overlaps =
            std::any_of(tokens_.begin(), tokens_.end(), [](const token& each) { return each.is("overlaps"); });
        made.understood = !made.columns.empty() && !overlaps;
        return made;
    }

private:
    bool to_keyword() {
        for (; at_ < tokens_.size(); ++at_) {
            if (tokens_[at_].is("unique")) {
                ++at_;
                return true;
            }
            if (tokens_[at_].is("primary")) {
                at_ += 2;
                return true;
            }
        }
        return false;
    }

    [[nodiscard]] bool is(std::string_view word) const { return at_ < tokens_.size() && tokens_[at_].is(word); }

    std::string parenthesized() {
        if (at_ >= tokens_.size() || !tokens_[at_].is_sign('(')) {
            return "";
        }
        const std::size_t from = at_;
        int depth = 0;
        do {
            depth += tokens_[at_].is_sign('(') ? 1 : 0;
            depth -= tokens_[at_].is_sign(')') ? 1 : 0;
            ++at_;
        } while (at_ < tokens_.size() && depth > 0);
        return text_of(from, at_);
    }

    [[nodiscard]] std::string text_of(std::size_t from, std::size_t to) const {
        to = std::min(to, tokens_.size());
        return from >= to ? "" : text_.substr(tokens_[from].begin, tokens_[to - 1].end - tokens_[from].begin);
    }

    const std::string& text_;
    std::vector<token> tokens_;
    std::size_t at_ = 0;
};

std::string spaced(const std::string& text) { return text.empty() ? "" : " " + text; }

constexpr const char* name_taken_sql = R"sql(
    SELECT EXISTS (SELECT FROM pg_constraint k JOIN pg_namespace n ON n.oid = k.connamespace
                    WHERE n.nspname = $1 AND k.conname = $2))sql";

bool is_not_null(const part& of, const std::string& column) {
    const probe::known_relation* table = of.before.find(of.before.name_of(of.what.relation));
    const auto found = table == nullptr ? decltype(table->columns.end())() : table->columns.find(column);
    return table != nullptr && found != table->columns.end() && found->second.not_null;
}

std::vector<wanted_lock> exclusive(const part& of) {
    wanted_lock table;
    table.relation = parse_qualified_name(of.before.name_of(of.what.relation));
    table.mode = probe::lock_mode::access_exclusive;
    return {table};
}

bool is_partitioned(const part& of) {
    return of.before.kind_of(of.before.name_of(of.what.relation)) == probe::relation_kind::partitioned_table;
}

/// @param name empty: the server chooses it, by the statement `unnamed`
action building(const part& of, const std::string& name, std::string unnamed, std::string sql) {
    action build;
    build.kind = action_kind::build_index;
    build.label = "building " + (name.empty() ? "the index" : display_identifier(name));
    build.relation = parse_qualified_name(of.before.name_of(of.what.relation));
    build.index = {build.relation.schema, name};
    if (name.empty()) {
        build.unnamed = std::move(unnamed);
    }
    build.statements.push_back(std::move(sql));
    return build;
}

/// A partitioned table's: leaf by leaf; the plain statement then takes over what it finds.
std::optional<recipe> on_partitions(const part& of, const std::string& definition, const std::string& constraint,
                                    bool unique, const std::string& besides = {}) {
    recipe made;
    made.how = method::concurrently;
    made.why = "the indexes of the partitions are built while others read and write";
    action build;
    build.kind = action_kind::build_on_partitions;
    build.label = "building the partitions' indexes";
    build.statements = {definition, constraint, unique ? "unique" : "", besides};
    build.relation = parse_qualified_name(of.before.name_of(of.what.relation));
    made.actions.push_back(std::move(build));
    made.actions.push_back(transaction_of("joining them", {of.what.text}, locks_of(of.does)));
    return made;
}

}  // namespace

awaitable<std::string> name_for(pg::connection& session, const part& of, const ddl::constraint& what) {
    const qualified_name table = parse_qualified_name(of.before.name_of(of.what.relation));
    std::string name = what.name;
    for (int pass = 0; what.name.empty(); ++pass) {
        name = ddl::made_name(table.name, what.columns, pass == 0 ? "fkey" : fmt::format("fkey{}", pass));
        const pg::result row = co_await session.query(name_taken_sql, table.schema, name);
        if (!row.boolean(0, 0)) {
            break;
        }
    }
    co_return name;
}

std::optional<recipe> add_unique(const part& of, const ddl::clause& each, const facts& known) {
    const ddl::constraint& what = *each.made;
    const key_text key = key_reader(each.text).read();
    if (!what.index.empty() || !key.understood || of.what.only) {
        return std::nullopt;
    }
    const bool primary = what.kind == ddl::constraint_kind::primary_key;
    const std::string word = primary ? "PRIMARY KEY" : "UNIQUE";
    if (is_partitioned(of)) {
        if (primary && std::any_of(what.columns.begin(), what.columns.end(),
                                   [&](const std::string& column) { return !is_not_null(of, column); })) {
            return std::nullopt;
        }
        return on_partitions(of,
                             "USING btree " + key.columns + spaced(key.include) + spaced(key.nulls) +
                                 spaced(key.options) + spaced(key.tablespace),
                             word + spaced(key.nulls) + " " + key.columns + spaced(key.include), true, key.rest);
    }
    recipe made;
    made.how = method::concurrently;
    made.why = "its index is built while others read and write";
    const qualified_name table = parse_qualified_name(of.before.name_of(of.what.relation));
    made.actions.push_back(building(
        of, what.name, "ALTER TABLE {table} " + each.text,
        fmt::format("CREATE UNIQUE INDEX CONCURRENTLY {} ON {} {}{}{}{}{}", made_index, table.sql(), key.columns,
                    spaced(key.include), spaced(key.nulls), spaced(key.options), spaced(key.tablespace))));
    std::vector<std::string> last{fmt::format("{}ADD CONSTRAINT {} {} USING INDEX {}{}", head_of(of.what), made_index,
                                              word, made_index, spaced(key.rest))};
    if (primary) {
        for (const std::string& column : what.columns) {
            if (is_not_null(of, column)) {
                continue;
            }
            for (action& proof : prove_not_null(of, column, known)) {
                proof.locks = proof.kind == action_kind::transaction ? exclusive(of) : proof.locks;
                made.actions.push_back(std::move(proof));
            }
            if (known.version.major < 18) {
                last.push_back(
                    fmt::format("{}DROP CONSTRAINT {}", head_of(of.what), quote_identifier(helper_name(column))));
            }
        }
    }
    made.actions.push_back(transaction_of("making it a constraint", std::move(last), exclusive(of)));
    return made;
}

std::optional<recipe> create_index(const part& of) {
    const ddl::statement& what = of.what;
    const std::optional<std::string> definition = ddl::index_definition(what.text);
    if (!what.made_index || !definition || (what.only && is_partitioned(of))) {
        return std::nullopt;
    }
    const std::string relation = of.before.name_of(what.relation);
    const qualified_name table = parse_qualified_name(relation);
    if (is_partitioned(of)) {
        return what.concurrently ? std::nullopt : on_partitions(of, *definition, "", what.made_index->unique);
    }
    recipe made;
    made.how = method::concurrently;
    made.why = what.concurrently ? "it is to be built so" : "it is built while others read and write";
    const char* unique = what.made_index->unique ? "UNIQUE " : "";
    made.actions.push_back(
        building(of, what.made_index->name, fmt::format("CREATE {}INDEX ON {{table}} {}", unique, *definition),
                 fmt::format("CREATE {}INDEX CONCURRENTLY {} ON {} {}", unique, made_index, table.sql(), *definition)));
    return made;
}

}  // namespace pgeist::steps
