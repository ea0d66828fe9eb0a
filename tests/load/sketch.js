// A chat server in the shape that most people write first: a map of clients, and a write for each of them for
// whatever a read brings. Says where it listens.
const net = require('net');
const clients = new Map();

function broadcast(text, from) {
    for (const socket of clients.keys()) {
        if (socket !== from) socket.write(text + '\n');
    }
}

const server = net.createServer((socket) => {
    socket.write("Hi! Welcome to Dynasti. What's your name?\n");
    socket.on('data', (data) => {
        const text = data.toString().trim();
        if (text === '') return;
        if (!clients.has(socket)) {
            clients.set(socket, text);
            socket.write(`Welcome, ${text}! You can now chat. Type messages and press Enter.\n`);
            broadcast(`${text} has joined the chat.`, socket);
        } else {
            broadcast(`${clients.get(socket)}: ${text}`, socket);
        }
    });
    socket.on('close', () => {
        const name = clients.get(socket);
        if (clients.delete(socket)) broadcast(`${name} has left the chat.`, socket);
    });
    socket.on('error', () => {});
});
server.listen(0, '127.0.0.1', () => console.log(`Server listening on 127.0.0.1:${server.address().port}`));
