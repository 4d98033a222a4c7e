"""A guestbook in PostgreSQL, for gunicorn."""

import json
import os
import time

import psycopg2

VERSION = os.environ.get("TEAL_VERSION", "0")
_connection = None


def connection():
    """Returns the worker's connection: gunicorn runs one request at a time in each."""
    global _connection
    if _connection is None or _connection.closed:
        _connection = psycopg2.connect(os.environ["DATABASE_URL"])
        _connection.autocommit = True
        with _connection.cursor() as cursor:
            # Both versions run this while one replaces the other.
            cursor.execute("SELECT pg_advisory_lock(1)")
            cursor.execute("CREATE TABLE IF NOT EXISTS entries (id bigserial PRIMARY KEY, text text NOT NULL, version text NOT NULL)")
            cursor.execute("SELECT pg_advisory_unlock(1)")
    return _connection


def query(sql, *values):
    with connection().cursor() as cursor:
        cursor.execute(sql, values)
        return cursor.fetchall()


def answer(environ):
    path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
    if path == "/healthz":
        query("SELECT 1")
        return "200 OK", "ok"
    if path == "/entries" and method == "POST":
        text = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        [(number,)] = query("INSERT INTO entries (text, version) VALUES (%s, %s) RETURNING id", text, VERSION)
        return "201 Created", str(number)
    if path == "/entries":
        rows = query("SELECT id, text, version FROM entries ORDER BY id DESC LIMIT 20")
        return "200 OK", json.dumps([{"id": i, "text": text, "version": version} for i, text, version in rows])
    if path == "/slow":
        time.sleep(2)
        return "200 OK", "version " + VERSION
    return "404 Not Found", "nothing here"


def app(environ, start_response):
    status, body = answer(environ)
    data = body.encode()
    start_response(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(data)))])
    return [data]
