#include "e2e/random_dependents.hpp"

#include "e2e/kitchen_sink_sql.hpp"
#include "e2e/random_condition.hpp"

namespace pgeist::test {
namespace {

class maker {
public:
    maker(std::uint64_t seed, const dependents_setting& setting) : chance_(seed), setting_(setting) {}

    random_dependents make() {
        made_.change = change();
        add_tables();
        add_views();
        add_materialized_view();
        add_functions();
        add_constraints_and_indexes();
        add_foreign_keys();
        add_triggers();
        add_policies();
        add_rules();
        add_writes();
        return std::move(made_);
    }

private:
    void run(const std::string& sql) { made_.setup += sql + ";\n"; }
    void probe(const std::string& sql) { made_.probes.push_back(sql); }
    std::string condition(const std::string& left, const std::string& right, bool subqueries) {
        return random_condition(chance_, {left, right, subqueries});
    }
    std::string value(const std::string& left, const std::string& right) {
        return random_value(chance_, {left, right, false});
    }

    /// A name, in one schema or the other, for a dependent that has a schema of its own.
    std::string placed(const std::string& name) { return (chance_.one_in(3) ? "\"Other.One\"." : "app.") + name; }

    /// Gives an object to the role that owns what is in its schema.
    void hand_over(const std::string& kind, const std::string& name) {
        run("ALTER " + kind + " " + name + " OWNER TO " + (name[0] == '"' ? setting_.other : setting_.owner));
    }

    void add_view(const std::string& query);

    void add_tables();
    void add_views();
    void add_materialized_view();
    void add_functions();
    void add_constraints_and_indexes();
    void add_foreign_keys();
    void add_triggers();
    void add_policies();
    void add_rules();
    void add_writes();
    std::vector<std::string> change();
    std::string view_query();

    dice chance_;
    dependents_setting setting_;
    random_dependents made_;
    std::vector<std::string> views_;  ///< SQL names
    int names_ = 0;
    bool made_column_ = false;  ///< the table has a generated column
};

void maker::add_tables() {
    run("CREATE SCHEMA app; CREATE SCHEMA \"Other.One\"; SET search_path = app, " + setting_.extensions);
    run("CREATE DOMAIN app.mail AS citext CHECK (VALUE <> 'never' AND VALUE IS DISTINCT FROM 'NOT EVER')");
    const std::string columns =
        "id int PRIMARY KEY, c citext, d citext, mail app.mail, h hstore, g hstore, l ltree, m ltree, tags citext[], n "
        "int, note text DEFAULT CASE 'A'::citext WHEN 'a' THEN 'same' ELSE 'other' END";
    run("CREATE TABLE app.t (" + columns +
        ", code citext NOT NULL, path ltree, up citext, shelf ltree, z int, UNIQUE (code), UNIQUE (path))");
    run("CREATE TABLE app.u (" + columns + ")");
    run("CREATE TABLE app.told (what text, id int); GRANT ALL ON app.told TO PUBLIC");
    for (const char* table : {"app.t", "app.u", "app.told"}) {
        hand_over("TABLE", table);
    }
    run("GRANT USAGE ON SCHEMA app, \"Other.One\", " + setting_.extensions +
        " TO PUBLIC; GRANT CREATE ON SCHEMA app, "
        "\"Other.One\" TO " +
        setting_.owner + "; GRANT CREATE ON SCHEMA \"Other.One\" TO " + setting_.other +
        "; GRANT SELECT ON app.t, app.u TO " + setting_.other + "; GRANT " + setting_.other + " TO " + setting_.owner);
    // In each family some values differ by bytes and not by the type's own equality, or the other way round.
    const std::string values =
        "i, (ARRAY['Ann', 'ANN', 'bob', 'N/A', 'Zed', 'n/a', NULL])[i % 7 + 1], (ARRAY['ann', 'Bob', 'BOB', 'zed', "
        "'N/a'])[i % 5 + 1], (ARRAY['ANN', 'n/a', 'bOB', NULL])[i % 4 + 1], (ARRAY['a=>1', 'a=>1, b=>2', '', 'b=>2, "
        "a=>1', NULL])[i % 5 + 1]::hstore, (ARRAY['b=>2,a=>1', 'a=>1', ''])[i % 3 + 1]::hstore, (ARRAY['top.a', "
        "'Top.A', 'top.a.b', 'x', NULL])[i % 5 + 1]::ltree, (ARRAY['top.a', 'x', 'Top.A', 'top'])[i % 4 + 1]::ltree, "
        "ARRAY[(ARRAY['Ann', 'bob', NULL])[i % 3 + 1], 'ANN']::citext[], i % 6, 'nöte ' || i";
    run("INSERT INTO app.t SELECT " + values +
        ", 'Code' || i, ('p.' || i)::ltree, NULL, NULL, i FROM generate_series(1, 30) AS i");
    run("INSERT INTO app.u SELECT " + replaced(values, "i % ", "(i + 2) % ") + " FROM generate_series(1, 12) AS i");
}

/// What a query may ask of both tables; its first columns are text, or numbers that do not depend on the rows' order.
std::string maker::view_query() {
    static const std::vector<std::string> joined{"c", "d", "mail", "h", "l", "n, c", "c, l", "g, m, n"};
    static const std::vector<std::string> grouped{"c", "d", "mail", "h", "l", "nullif(c, 'ANN')", "c, l"};
    const std::string columns = chance_.of(joined);
    const std::string group = chance_.of(grouped);
    switch (chance_.below(11)) {
        case 0:
            return "SELECT t.id, u.id AS other FROM app.t " +
                   chance_.of({"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"}) + " app.u USING (" + columns + ")";
        case 1:
            return "SELECT x.id, y.other FROM (SELECT id, " + columns + " FROM app.t) x NATURAL " +
                   chance_.of({"JOIN", "FULL JOIN"}) + " (SELECT id AS other, " + columns + " FROM app.u) y";
        case 2:
            return "SELECT count(*) AS number, min(id) AS first FROM app.t GROUP BY " + group + " HAVING bool_or(" +
                   condition("t.", "t.", true) + ")";
        case 3:
            return "SELECT DISTINCT ON (" + group + ") id, " + value("t.", "t.") + " AS v FROM app.t ORDER BY " +
                   group + ", id";
        case 4:
            return "SELECT id, row_number() OVER (PARTITION BY " + group +
                   " ORDER BY id) AS nth, count(*) FILTER (WHERE " + condition("t.", "t.", false) +
                   ") OVER (ORDER BY " + chance_.of({"c", "l", "d"}) + ") AS more FROM app.t";
        case 5:
            return "SELECT count(*) AS number FROM (SELECT c, l FROM app.t " +
                   chance_.of({"UNION", "INTERSECT", "EXCEPT", "INTERSECT ALL"}) + " SELECT d, m FROM app.u) both_";
        case 6:
            return "SELECT t.id, near.id AS other FROM app.t, LATERAL (SELECT u.id FROM app.u JOIN app.t AS s USING (" +
                   columns + ") WHERE " + condition("u.", "t.", false) + " ORDER BY u.id, s.id LIMIT 2) near";
        case 7:
            return "WITH found AS (SELECT t.* FROM app.t WHERE " + condition("t.", "t.", true) +
                   ") SELECT id, (SELECT count(*) FROM app.u JOIN found f USING (" + columns +
                   ")) AS number FROM found";
        case 8:
            return "SELECT count(DISTINCT " + chance_.of({"c", "mail", "h", "l", "(c, n)"}) +
                   ") AS number, lower(max(c)::text) AS last FROM app.t WHERE " + condition("t.", "t.", true);
        case 9:
            return "SELECT a.id, b.id AS other FROM app.t a JOIN app.t b ON " + condition("a.", "b.", false) +
                   " AND a.n = b.n";
        default:
            return "SELECT id, " + value("t.", "t.") + " AS v, " + value("t.", "t.") + " AS w FROM app.t WHERE " +
                   condition("t.", "t.", true);
    }
}

void maker::add_view(const std::string& query) {
    const std::string name = placed("\"vué " + std::to_string(++names_) + "\"");
    views_.push_back(name);
    run("CREATE VIEW " + name + (chance_.one_in(4) ? " WITH (security_barrier)" : "") + " AS " + query);
    hand_over("VIEW", name);
    probe("SELECT v::text COLLATE \"C\" AS r FROM " + name + " v ORDER BY 1");
}

void maker::add_views() {
    const int count = 2 + chance_.below(3);
    for (int n = 0; n < count; ++n) {
        add_view(view_query());
    }
    if (chance_.one_in(2)) {
        run("CREATE VIEW app.renamed (first, \"Second Name\", third) AS SELECT c, l, mail FROM app.t");
        hand_over("VIEW", "app.renamed");
        views_.emplace_back("app.renamed");
        add_view(
            "SELECT r.first::text AS f, u.id FROM app.renamed r JOIN app.u ON r.first IS NOT DISTINCT FROM u.c AND "
            "nullif(r.\"Second Name\", 'x') IS NOT DISTINCT FROM u.l WHERE CASE r.third WHEN 'ann' THEN false ELSE "
            "true END");
    }
}

void maker::add_materialized_view() {
    if (chance_.one_in(2)) {
        const std::string name = placed("kept");
        run("CREATE MATERIALIZED VIEW " + name + " AS SELECT q.*, ROW(q.*)::text AS all_ FROM (" + view_query() +
            ") q; CREATE INDEX ON " + name + " (all_)");
        hand_over("MATERIALIZED VIEW", name);
        probe("REFRESH MATERIALIZED VIEW " + name);
        probe("SELECT v::text COLLATE \"C\" AS r FROM " + name + " v ORDER BY 1");
    }
}

void maker::add_functions() {
    if (chance_.one_in(2)) {
        const std::string name = placed("\"Known\"") + "(citext, hstore, ltree)";
        run("CREATE FUNCTION " + replaced(name, "(citext, hstore, ltree)", "(c citext, h hstore, l ltree)") +
            " RETURNS bigint LANGUAGE sql STABLE BEGIN ATOMIC SELECT count(*) FROM app.t AS t WHERE t.c IS NOT "
            "DISTINCT "
            "FROM \"Known\".c OR " +
            condition("t.", "t.", true) + "; END");
        hand_over("FUNCTION", name);
        probe("SELECT " + replaced(name, "(citext, hstore, ltree)", "('ANN', 'a=>1', 'x')"));
    }
    if (chance_.one_in(2)) {
        run("CREATE FUNCTION app.of_row(i int) RETURNS text LANGUAGE sql STABLE RETURN (SELECT string_agg(" +
            value("t.", "u.") + ", ',' ORDER BY t.id, u.id) FROM app.t JOIN app.u USING (c) WHERE t.id < i)");
        hand_over("FUNCTION", "app.of_row(int)");
        probe("SELECT app.of_row(20)");
    }
}

void maker::add_constraints_and_indexes() {
    if (chance_.one_in(2)) {
        run("ALTER TABLE app.t ADD CONSTRAINT \"mean %\" CHECK (id <= 30 OR " + condition("", "", false) + ")");
    }
    if (chance_.one_in(2)) {
        run("CREATE UNIQUE INDEX app_once ON app.t ((" + value("", "") + "), (nullif(c, 'zed'))) WHERE id > 100 AND (" +
            condition("", "", false) + ")");
    }
    if (chance_.one_in(3)) {
        run("CREATE INDEX ON app.t USING gist (l); CREATE INDEX ON app.t USING gin (h); CREATE INDEX ON app.t (c "
            "citext_pattern_ops, mail DESC)");
    }
    if (chance_.one_in(3)) {
        run("ALTER TABLE app.t ADD CONSTRAINT apart EXCLUDE USING btree (code WITH =) WHERE (" +
            condition("", "", false) + ")");
    }
    if (chance_.one_in(3)) {
        made_column_ = true;
        run("ALTER TABLE app.t ADD COLUMN made text GENERATED ALWAYS AS (" + value("", "") + ") STORED");
    }
    if (chance_.one_in(3)) {
        run("CREATE STATISTICS app.st ON (nullif(c, 'ANN')), (" + condition("", "", false) + ") FROM app.t");
        hand_over("STATISTICS", "app.st");
    }
}

void maker::add_foreign_keys() {
    if (chance_.one_in(2)) {
        run("CREATE TABLE app.child (id int PRIMARY KEY, code citext REFERENCES app.t (code) ON UPDATE CASCADE ON "
            "DELETE CASCADE, path ltree REFERENCES app.t (path) ON DELETE SET NULL); INSERT INTO app.child SELECT i, "
            "'cODE' || i, ('p.' || i)::ltree FROM generate_series(1, 9) AS i");
        hand_over("TABLE", "app.child");
        probe("INSERT INTO app.child VALUES (100, 'CODE5', 'p.6')");
        probe("DELETE FROM app.t WHERE id IN (2, 3)");
        probe("SELECT v::text COLLATE \"C\" AS r FROM app.child v ORDER BY 1");
    }
    if (chance_.one_in(2)) {
        run("CREATE TABLE app.parent (up citext PRIMARY KEY, shelf ltree UNIQUE); INSERT INTO app.parent VALUES "
            "('Hall', 'hall.a'), ('attic', 'attic'); UPDATE app.t SET up = 'HALL', shelf = 'attic' WHERE id % 3 = 0; "
            "ALTER TABLE app.t ADD CONSTRAINT \"up %\" FOREIGN KEY (up) REFERENCES app.parent ON UPDATE CASCADE, ADD "
            "FOREIGN KEY (shelf) REFERENCES app.parent (shelf) ON DELETE SET NULL");
        hand_over("TABLE", "app.parent");
        probe("UPDATE app.t SET up = 'ATTIC' WHERE id = 4");
        probe("DELETE FROM app.parent WHERE shelf = 'attic'");
        probe("UPDATE app.t SET up = 'cellar' WHERE id = 5");
    }
}

void maker::add_triggers() {
    if (!chance_.one_in(2)) {
        return;
    }
    run("CREATE FUNCTION app.tell() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO app.told VALUES (TG_NAME, "
        "NEW.id); RETURN NULL; END'");
    hand_over("FUNCTION", "app.tell()");
    run("CREATE TRIGGER \"on %\" AFTER UPDATE ON app.t FOR EACH ROW WHEN (" + condition("OLD.", "NEW.", false) +
        ") EXECUTE FUNCTION app.tell()");
    run("CREATE TRIGGER made AFTER INSERT ON app.t FOR EACH ROW WHEN (" + condition("NEW.", "NEW.", false) +
        ") EXECUTE FUNCTION app.tell()");
}

void maker::add_policies() {
    run("GRANT SELECT, INSERT, UPDATE ON app.t, app.u TO " + setting_.reader);
    const bool of_t = chance_.one_in(2);
    if (of_t) {
        run("CREATE POLICY \"see %\" ON app.t FOR SELECT TO " + setting_.reader + " USING (" +
            condition("t.", "t.", true) + "); CREATE POLICY make ON app.t FOR INSERT TO " + setting_.reader +
            " WITH CHECK (" + condition("t.", "t.", true) + "); ALTER TABLE app.t ENABLE ROW LEVEL SECURITY");
    } else if (made_.renamed == "d" && chance_.one_in(2)) {
        run("CREATE POLICY like_t ON app.u FOR SELECT TO " + setting_.reader +
            " USING (EXISTS (SELECT FROM app.t WHERE " + condition("t.", "u.", false) +
            ")); ALTER TABLE app.u ENABLE ROW LEVEL SECURITY");
    }
    probe("SET ROLE " + setting_.reader);
    probe("SELECT id FROM app.t ORDER BY id");
    probe("SELECT id FROM app.u ORDER BY id");
    probe(
        "INSERT INTO app.t VALUES (301, 'BOB', 'zED', 'ann', 'a=>1', '', 'x', 'top.a', '{ANN}', 3, 'seen', 'q', 'q')");
    probe("RESET ROLE");
}

void maker::add_rules() {
    if (made_.renamed != "d") {
        return;  // rules and others' policies that read a renamed column are refused by name
    }
    if (chance_.one_in(3)) {
        run("CREATE RULE \"none %\" AS ON INSERT TO app.t WHERE NEW.id = 201 AND (" + condition("NEW.", "NEW.", false) +
            ") DO INSTEAD NOTHING");
    }
    if (chance_.one_in(3)) {
        run("CREATE RULE also AS ON UPDATE TO app.t WHERE " + condition("OLD.", "NEW.", false) +
            " DO ALSO INSERT INTO app.told VALUES ('rule', OLD.id)");
    }
    if (chance_.one_in(3)) {
        run("CREATE RULE with_t AS ON UPDATE TO app.u DO ALSO INSERT INTO app.told SELECT 'u', t.id FROM app.t AS t "
            "WHERE " +
            condition("t.", "NEW.", false));
        probe("UPDATE app.u SET d = 'ANN' WHERE id < 4");
    }
}

/// What the table's own rules, triggers, constraints and indexes make of these writes.
void maker::add_writes() {
    probe("UPDATE app.t SET c = 'bOB', m = 'top', g = 'a=>2' WHERE n = 4");
    probe("UPDATE app.t SET @d@ = upper(@d@::text), h = g WHERE n = 2");
    for (int i = 200; i < 206; ++i) {
        probe("INSERT INTO app.t SELECT " + std::to_string(i) +
              ", c, d, mail, h, g, l, m, tags, n, note, 'new' || id, NULL FROM app.u WHERE id = " +
              std::to_string(1 + i % 4));
    }
    probe("INSERT INTO app.t (id, code) VALUES (207, 'CODE9')");
    probe("INSERT INTO app.t (id, code) VALUES (208, 'another')");
    probe("INSERT INTO app.t (id, code, mail) VALUES (209, 'third', 'NEVER')");
    probe("SELECT ROW(id, c, @d@, mail, h, g, l, m, tags, n, note, code" + std::string(made_column_ ? ", made" : "") +
          ")::text COLLATE \"C\" AS r FROM app.t ORDER BY 1");
    probe("SELECT v::text COLLATE \"C\" AS r FROM app.told v ORDER BY 1");
    // Views see what the writes made, too.
    for (const std::string& name : views_) {
        probe("SELECT v::text COLLATE \"C\" AS r FROM " + name + " v ORDER BY 1");
    }
    run("RESET search_path");
}

std::vector<std::string> maker::change() {
    switch (chance_.below(6)) {
        case 3:
            made_.renamed = "\"was d\"";
            return {"--alter", "RENAME COLUMN d TO \"was d\""};
        case 0:
            return {"--alter", "ALTER COLUMN z TYPE bigint"};
        case 1:
            return {"--alter", "ADD COLUMN extra int DEFAULT 5"};
        case 2:
            return {"--alter", "ALTER COLUMN z TYPE text USING nullif(z, 4)::text"};
        default:
            return {"--repack"};
    }
}

}  // namespace

random_dependents make_random_dependents(std::uint64_t seed, const dependents_setting& setting) {
    return maker(seed, setting).make();
}

}  // namespace pgeist::test
